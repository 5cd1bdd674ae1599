//! Root file systems to bake on: a tiny one with a shell and the test service, and Debian.

use crate::{cache, program};
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs of busybox that the tiny system has besides its shell.
const APPLETS: [&str; 12] =
    ["cat", "chmod", "cp", "echo", "env", "false", "ls", "mkdir", "rm", "sleep", "true", "adduser"];

/// An archive of a tiny system: busybox, and the test service with the libraries it needs.
///
/// # Errors
/// When busybox or the service are missing.
pub fn rootfs() -> Result<PathBuf> {
    let service = std::fs::read(program::service())?;
    let name = format!("tiny-{}.tar", hex(&Sha256::digest(&service))[..16].to_owned());
    cache::file(&name, |new| {
        let mut archive = tar::Builder::new(File::create(new)?);
        tiny(&mut archive, &service)?;
        Ok(archive.finish()?)
    })
}

fn tiny(archive: &mut tar::Builder<File>, service: &[u8]) -> Result<()> {
    for directory in ["bin", "dev", "etc", "proc", "run", "srv", "sys", "usr/sbin", "var"] {
        put(archive, directory, tar::EntryType::Directory, 0o755, &[])?;
    }
    put(archive, "tmp", tar::EntryType::Directory, 0o1777, &[])?;
    let passwd = b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
    put(archive, "etc/passwd", tar::EntryType::Regular, 0o644, passwd)?;
    let group = b"root:x:0:\nnogroup:x:65534:\n";
    put(archive, "etc/group", tar::EntryType::Regular, 0o644, group)?;
    put(archive, "bin/service", tar::EntryType::Regular, 0o755, service)?;
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
    let busybox = busybox.iter().find(|path| path.exists()).context("busybox is not installed")?;
    put(archive, "bin/busybox", tar::EntryType::Regular, 0o755, &std::fs::read(busybox)?)?;
    for applet in APPLETS.iter().chain(&["sh"]) {
        link(archive, &format!("bin/{applet}"), "busybox")?;
    }
    let programs = [busybox.clone(), program::service()];
    let libraries: BTreeSet<PathBuf> = programs.iter().flat_map(|path| libraries(path)).collect();
    for library in libraries {
        let name = library.to_string_lossy().trim_start_matches('/').to_owned();
        put(archive, &name, tar::EntryType::Regular, 0o755, &std::fs::read(&library)?)?;
    }
    Ok(())
}

/// The shared libraries that a program names, by `ldd`; none for one that is linked statically.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().map(|o| o.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&output).into_owned();
    let paths = text.split_ascii_whitespace().filter(|word| word.starts_with('/'));
    paths.filter(|path| !path.ends_with(':')).map(PathBuf::from).collect()
}

fn put(
    archive: &mut tar::Builder<File>,
    name: &str,
    kind: tar::EntryType,
    mode: u32,
    content: &[u8],
) -> Result<()> {
    let mut header = header(kind, mode);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, name, content)?;
    Ok(())
}

fn link(archive: &mut tar::Builder<File>, name: &str, target: &str) -> Result<()> {
    let mut header = header(tar::EntryType::Symlink, 0o777);
    archive.append_link(&mut header, name, target)?;
    Ok(())
}

/// A header with every number in it: a field left blank is no number.
fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    header
}

/// An archive of Debian with those packages besides the essential ones, from the machine's mirrors.
///
/// # Errors
/// When `mmdebstrap` is missing or fails; what it said is in the error.
pub fn debian(suite: &str, packages: &[&str]) -> Result<PathBuf> {
    let name =
        format!("{suite}{}.tar", packages.iter().map(|p| format!("-{p}")).collect::<String>());
    cache::file(&name, |new| {
        let mut command = Command::new("mmdebstrap");
        command.args(["--variant=minbase", "--format=tar"]);
        if !packages.is_empty() {
            command.arg(format!("--include={}", packages.join(",")));
        }
        let output = command.arg(suite).arg(new).output().context("run mmdebstrap")?;
        if !output.status.success() {
            bail!("mmdebstrap: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    })
}

/// The suite of the Debian that this machine runs; bookworm on any other system.
#[must_use]
pub fn suite() -> String {
    let mut text = String::new();
    let read = File::open("/etc/os-release").and_then(|mut file| file.read_to_string(&mut text));
    let debian = read.is_ok() && text.lines().any(|line| line == "ID=debian");
    let named = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    named.filter(|_| debian).unwrap_or("bookworm").to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

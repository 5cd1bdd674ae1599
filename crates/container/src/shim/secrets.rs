//! The values of an instance's secrets, on their way from a pipe into memory that the instance reads.

use crate::spec::{InstanceSpec, User};
use kiln_names::{SecretName, SecretValue};
use rustix::fs::{Gid, Uid};
use rustix::fs::{Mode, OFlags, fchown, open};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use rustix::stdio::{dup2_stdin, stdin};
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// The values, each overwritten when it is dropped.
pub(super) struct Secrets(Vec<(SecretName, SecretValue)>);

impl Secrets {
    /// Reads from standard input what the spec names, and closes it: the command inherits nothing.
    pub(super) fn receive(spec: &InstanceSpec) -> io::Result<Self> {
        if spec.secrets.is_empty() {
            return Ok(Self(Vec::new()));
        }
        // Not through the library's buffer, which nobody would overwrite.
        let mut pipe = File::from(rustix::io::dup(stdin())?);
        dup2_stdin(File::open("/dev/null")?)?;
        let names = spec.secrets.keys();
        let values = names.map(|name| Ok((name.clone(), value(&mut pipe)?)));
        let values = values.collect::<io::Result<_>>()?;
        match pipe.read(&mut [0])? {
            0 => Ok(Self(values)),
            _ => Err(io::Error::other("there are more than the spec names")),
        }
    }

    /// Mounts memory at `dir` and writes a file for each into it, readable by `user` alone.
    pub(super) fn write(self, dir: &Path, user: User) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        mount_memory(dir, self.0.len(), user)?;
        self.0.iter().try_for_each(|(name, value)| {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let mut file = File::from(open(dir.join(name.as_str()), flags, Mode::RUSR)?);
            file.write_all(value.as_ref())?;
            let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
            Ok(fchown(&file, Some(uid), Some(gid))?)
        })
    }
}

fn value(pipe: &mut File) -> io::Result<SecretValue> {
    let missing = |_| io::Error::other("there are fewer than the spec names");
    let mut length = [0; 4];
    pipe.read_exact(&mut length).map_err(missing)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > SecretValue::MAX {
        return Err(io::Error::other("one is too long"));
    }
    let mut bytes = zeroize::Zeroizing::new(vec![0; length]);
    pipe.read_exact(&mut bytes).map_err(missing)?;
    SecretValue::new(std::mem::take(&mut *bytes)).map_err(io::Error::other)
}

/// As large as the values may be, and no larger; out of swap where the kernel can do that (from
/// 6.3 on). Counted in the instance's memory, since the shim is in its control group.
fn mount_memory(dir: &Path, files: usize, user: User) -> io::Result<()> {
    let User { uid, gid } = user;
    let size = (files + 1) * SecretValue::MAX;
    let options = format!("mode=0500,uid={uid},gid={gid},size={size},nr_inodes={}", files + 2);
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let try_mount = |options: String| {
        let options = CString::new(options).expect("numbers have no zero byte");
        mount("kiln-secrets", dir, "tmpfs", flags, &*options)
    };
    match try_mount(format!("{options},noswap")) {
        Err(Errno::INVAL) => Ok(try_mount(options)?),
        other => Ok(other?),
    }
}

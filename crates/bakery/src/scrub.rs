//! What is taken out of every layer before it is committed: what differs between machines and days,
//! and what nobody wants to carry. This list is published; changing it changes what bakes leave.

mod pattern;

use crate::scrub::pattern::matches;
use crate::within::{self, MAX_FILE};
use kiln_image::{Limits, PUBLISHED_TIME};
use std::fs::{self, DirEntry, File};
use std::io;
use std::path::Path;

/// Regular files that are removed. `*` stands for anything within a name, `**` for any directories.
/// Directories and links stay: services log through them.
pub const REMOVED: &[&str] = &[
    // apt: what it downloaded, what it learned, what it did.
    "var/cache/apt/**/*",
    "var/lib/apt/lists/**/*",
    "var/log/**/*",
    // dpkg, debconf and shadow: the state before the last change.
    "var/lib/dpkg/*-old",
    "var/cache/debconf/*-old",
    "etc/passwd-",
    "etc/group-",
    "etc/shadow-",
    "etc/gshadow-",
    "etc/subuid-",
    "etc/subgid-",
    "etc/**/*.dpkg-old",
    "etc/**/*.ucf-old",
    // Caches that hold inode numbers or times.
    "var/cache/ldconfig/aux-cache",
    "var/cache/man/**/*",
    // What makes one machine different from another: made anew where it is needed.
    "etc/ssh/ssh_host_*_key",
    "etc/ssh/ssh_host_*_key.pub",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    "var/lib/urandom/random-seed",
    // Left behind by whoever baked.
    "root/.cache/**/*",
    "root/.bash_history",
    "root/.wget-hsts",
    "run/**/*",
    "tmp/**/*",
    "var/tmp/**/*",
];

/// Regular files that stay, without their content: programs ask whether they are there.
pub const EMPTIED: &[&str] = &["etc/machine-id", "etc/hostname", "etc/resolv.conf"];

/// The file that holds the day of each password's last change, as days since 1970.
const SHADOW: &str = "etc/shadow";
/// The day that all of them get.
const LAST_CHANGE: i64 = PUBLISHED_TIME / 86_400;

/// Scrubs the tree in `root`. Nothing is followed out of it: a link is not looked behind, even where
/// a system has a directory.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn scrub(root: &Path) -> io::Result<()> {
    scrub_directory(root, "", 0)
}

fn scrub_directory(dir: &Path, above: &str, depth: u64) -> io::Result<()> {
    if depth > Limits::default().depth {
        return Ok(()); // No layer holds what lies deeper: committing it says so.
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // No pattern names what is not UTF-8.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if above.is_empty() { name } else { format!("{above}/{name}") };
        scrub_entry(&entry, &path, depth)?;
    }
    Ok(())
}

fn scrub_entry(entry: &DirEntry, path: &str, depth: u64) -> io::Result<()> {
    let kind = entry.file_type()?;
    if kind.is_dir() {
        return scrub_directory(&entry.path(), path, depth + 1);
    }
    if !kind.is_file() {
        return Ok(());
    }
    if REMOVED.iter().any(|pattern| matches(pattern, path)) {
        return fs::remove_file(entry.path());
    }
    if EMPTIED.contains(&path) && entry.metadata()?.len() > 0 {
        File::options().write(true).open(entry.path())?.set_len(0)?;
    }
    if path == SHADOW { settle_file(&entry.path()) } else { Ok(()) }
}

fn settle_file(path: &Path) -> io::Result<()> {
    // What is not text is no shadow file, and nobody's day of change.
    let Ok(text) = String::from_utf8(within::read(path, MAX_FILE)?) else { return Ok(()) };
    let settled = settle(&text);
    if settled == text { Ok(()) } else { fs::write(path, settled) }
}

/// The shadow file with one and the same day of change wherever there is one.
fn settle(text: &str) -> String {
    let line = |line: &str| {
        let mut fields: Vec<&str> = line.split(':').collect();
        let day = LAST_CHANGE.to_string();
        // An empty field and 0 have meanings of their own.
        if let Some(field) = fields.get_mut(2).filter(|field| !matches!(**field, "" | "0")) {
            *field = &day;
        }
        fields.join(":")
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_change_on_one_and_the_same_day() {
        let check = |text: &str, expected: &str| assert_eq!(settle(text), expected);
        check("root:*:19876:0:99999:7:::\n", "root:*:10957:0:99999:7:::\n");
        check("a:!::\nb:!:0:\nc:!:1:", "a:!::\nb:!:0:\nc:!:10957:");
        check("", "");
        check("odd", "odd");
    }

    /// A system outside of the tree that is scrubbed: everything of it stays.
    #[test]
    fn nothing_behind_a_link_is_scrubbed() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
        fs::create_dir(&root).unwrap();
        let shadow = "root:x:19876:0:99999:7:::\n";
        for (path, text) in [("etc/shadow", shadow), ("etc/machine-id", "x"), ("tmp/x", "x")] {
            fs::create_dir_all(outside.join(path).parent().unwrap()).unwrap();
            fs::write(outside.join(path), text).unwrap();
        }
        for directory in ["etc", "tmp"] {
            std::os::unix::fs::symlink(outside.join(directory), root.join(directory)).unwrap();
        }
        scrub(&root).unwrap();
        assert_eq!(fs::read_to_string(outside.join("etc/shadow")).unwrap(), shadow);
        assert_eq!(fs::read(outside.join("etc/machine-id")).unwrap(), b"x");
        assert!(outside.join("tmp/x").exists());
        fs::remove_file(root.join("etc")).unwrap();
        fs::create_dir(root.join("etc")).unwrap();
        std::os::unix::fs::symlink(outside.join("etc/shadow"), root.join("etc/shadow")).unwrap();
        scrub(&root).unwrap();
        assert_eq!(fs::read_to_string(outside.join("etc/shadow")).unwrap(), shadow);
    }

    #[test]
    fn a_shadow_file_of_any_bytes_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        let shadow = dir.path().join("etc/shadow");
        for (before, after) in [
            (&b"root:x:19876:0\n"[..], &b"root:x:10957:0\n"[..]),
            (b"\xff:x:19876:0\n", b"\xff:x:19876:0\n"),
        ] {
            fs::write(&shadow, before).unwrap();
            scrub(dir.path()).unwrap();
            assert_eq!(fs::read(&shadow).unwrap(), after);
        }
    }

    #[test]
    fn a_tree_loses_what_the_list_names_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for path in [
            "var/log/apt/term.log",
            "etc/passwd",
            "etc/passwd-",
            "etc/x/y.dpkg-old",
            "etc/machine-id",
            "var/lib/apt/extended_states",
            "srv/var/log/kept",
            "tmp/x",
        ] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), "x").unwrap();
        }
        std::os::unix::fs::symlink("/dev/stdout", root.join("var/log/access.log")).unwrap();
        scrub(root).unwrap();
        let stays = |path: &str| fs::symlink_metadata(root.join(path)).is_ok();
        for kept in [
            "var/log/apt",
            "var/log/access.log",
            "etc/passwd",
            "srv/var/log/kept",
            "var/lib/apt/extended_states",
        ] {
            assert!(stays(kept), "{kept}");
        }
        for gone in ["var/log/apt/term.log", "etc/passwd-", "etc/x/y.dpkg-old", "tmp/x"] {
            assert!(!stays(gone), "{gone}");
        }
        assert_eq!(fs::read(root.join("etc/machine-id")).unwrap(), b"");
    }
}

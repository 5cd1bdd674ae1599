//! What is taken out of every layer before it is committed: what differs between machines and days,
//! and what nobody wants to carry. This list is published; changing it changes what bakes leave.

mod pattern;

use crate::scrub::pattern::matches;
use kiln_image::PUBLISHED_TIME;
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

/// Scrubs the tree in `root`. Nothing is followed out of it.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn scrub(root: &Path) -> io::Result<()> {
    scrub_directory(root, "")?;
    let shadow = root.join(SHADOW);
    match fs::symlink_metadata(&shadow) {
        Ok(found) if found.is_file() => {
            let text = fs::read_to_string(&shadow)?;
            let settled = settle(&text);
            if settled == text { Ok(()) } else { fs::write(&shadow, settled) }
        }
        _ => Ok(()),
    }
}

fn scrub_directory(dir: &Path, above: &str) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // No pattern names what is not UTF-8.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if above.is_empty() { name } else { format!("{above}/{name}") };
        scrub_entry(&entry, &path)?;
    }
    Ok(())
}

fn scrub_entry(entry: &DirEntry, path: &str) -> io::Result<()> {
    let kind = entry.file_type()?;
    if kind.is_dir() {
        return scrub_directory(&entry.path(), path);
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
    Ok(())
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

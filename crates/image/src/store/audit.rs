//! Whether an unpacked layer still is what its archive says: every file, byte by byte.

use super::Store;
use crate::archive::{Kind, Member, TarReader};
use crate::error::{Context as _, Error};
use crate::hash::Hashing;
use crate::tree::{DEVICES, OPAQUE, WHITEOUT, clean_path};
use kiln_names::Digest;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// How much of a file is compared at a time.
const CHUNK: usize = 64 << 10;
/// The kind, in a mode.
const KIND: u32 = 0o170_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// A path of an unpacked layer that is not as it was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The path within the layer.
    pub path: PathBuf,
    /// What is wrong with it.
    pub damage: Damage,
}

/// What became of a path of an unpacked layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// It is not there.
    Removed,
    /// The archive does not have it.
    Added,
    /// Its content, or where it leads, is another.
    Edited,
    /// Its kind, owner or mode is another.
    Changed {
        /// As in the archive.
        expected: String,
        /// As it is.
        found: String,
    },
}

/// What was compared: each path of the archive, with what is wrong with it.
type Seen = BTreeMap<Vec<u8>, Option<Damage>>;

impl Store {
    /// Compares an unpacked layer with its archive. One that is not unpacked has no damage.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Mismatch`] when the archive itself is damaged; [`Error::Layer`];
    /// [`Error::Io`].
    pub fn audit_layer(&self, diff_id: &Digest) -> Result<Vec<Damaged>, Error> {
        let root = self.layer_path(diff_id).join("root");
        let blob = BufReader::with_capacity(1 << 18, self.open_content("layer", diff_id)?);
        let mut blob = Hashing::new(blob);
        let seen = if root.is_dir() { self.compare(&mut blob, &root) } else { Ok(Seen::new()) };
        io::copy(&mut blob, &mut io::sink()).on("read", &self.blob_path(diff_id))?;
        let (_, found, _) = blob.finish();
        if found != *diff_id {
            return Err(Error::Mismatch { expected: *diff_id, found });
        }
        let mut seen = seen?;
        if root.is_dir() {
            note_added(&root, &root, &mut seen).on("read", &root)?;
        }
        let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
        let damaged = seen.into_iter().filter_map(|(at, damage)| Some((at, damage?)));
        Ok(damaged.map(|(at, damage)| Damaged { path: path(&at), damage }).collect())
    }

    /// Where the archive of a layer lies, and where it is unpacked: for who mends it by hand.
    #[must_use]
    pub fn places_of(&self, diff_id: &Digest) -> (PathBuf, PathBuf) {
        (self.blob_path(diff_id), self.layer_path(diff_id).join("root"))
    }

    fn compare(&self, archive: impl Read, root: &Path) -> Result<Seen, Error> {
        let mut tar = TarReader::new(archive, self.inner.limits);
        let mut seen = Seen::new();
        while let Some(member) = tar.next()? {
            let path = clean_path(&member.path)?;
            if path.is_empty() {
                continue;
            }
            note_parents(&path, &mut seen);
            let slash = path.iter().rposition(|byte| *byte == b'/');
            let name = &path[slash.map_or(0, |slash| slash + 1)..];
            if let Some(gone) = name.strip_prefix(WHITEOUT) {
                if name != OPAQUE && !gone.starts_with(WHITEOUT) {
                    let hidden = [&path[..slash.map_or(0, |slash| slash + 1)], gone].concat();
                    let damage = whiteout(&root.join(OsStr::from_bytes(&hidden)));
                    // A name that is removed and brought again is judged by what was brought.
                    seen.entry(hidden).or_insert(damage);
                }
                continue;
            }
            if matches!(member.kind, Kind::Device) && path.starts_with(DEVICES) {
                continue;
            }
            let at = root.join(OsStr::from_bytes(&path));
            let damage = judge(&at, root, &member, &mut tar).on("compare", &at)?;
            seen.insert(path, damage);
        }
        Ok(seen)
    }
}

fn note_parents(path: &[u8], seen: &mut Seen) {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    for (at, _) in slashes {
        seen.entry(path[..at].to_vec()).or_insert(None);
    }
}

fn whiteout(at: &Path) -> Option<Damage> {
    match at.symlink_metadata() {
        Err(_) => Some(Damage::Removed),
        Ok(found) if found.mode() & KIND == CHARACTER_DEVICE && found.rdev() == 0 => None,
        Ok(found) => Some(changed("a mark that hides it", &shape(&found))),
    }
}

fn judge(
    at: &Path,
    root: &Path,
    member: &Member,
    content: &mut impl Read,
) -> io::Result<Option<Damage>> {
    let found = match at.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Damage::Removed)),
        other => other?,
    };
    let same = match &member.kind {
        Kind::File { size } => {
            found.is_file() && found.len() == *size && same_content(at, content)?
        }
        Kind::Symlink { target } => {
            found.is_symlink() && std::fs::read_link(at)?.as_os_str().as_bytes() == &target[..]
        }
        Kind::HardLink { target } => {
            let target = clean_path(target).unwrap_or_default();
            let other = root.join(OsStr::from_bytes(&target)).symlink_metadata();
            return Ok(other.ok().filter(|it| it.ino() != found.ino()).map(|_| Damage::Edited));
        }
        Kind::Directory | Kind::Fifo | Kind::Device => true,
    };
    let expected = expected_shape(member);
    let shape = shape(&found);
    Ok(match (shape == expected, same) {
        (false, _) => Some(changed(&expected, &shape)),
        (true, false) => Some(Damage::Edited),
        (true, true) => None,
    })
}

fn changed(expected: &str, found: &str) -> Damage {
    Damage::Changed { expected: expected.to_owned(), found: found.to_owned() }
}

/// Kind, mode and owner in words: `file 0644 of 0:0`. A link has no mode.
fn shape(found: &Metadata) -> String {
    let kind = match found.mode() & KIND {
        0o100_000 => "file",
        0o040_000 => "directory",
        0o120_000 => return format!("link of {}:{}", found.uid(), found.gid()),
        0o010_000 => "pipe",
        _ => "device",
    };
    format!("{kind} {:04o} of {}:{}", found.mode() & 0o7777, found.uid(), found.gid())
}

fn expected_shape(member: &Member) -> String {
    let meta = &member.meta;
    let kind = match member.kind {
        Kind::File { .. } | Kind::HardLink { .. } => "file",
        Kind::Directory => "directory",
        Kind::Symlink { .. } => return format!("link of {}:{}", meta.uid, meta.gid),
        Kind::Fifo => "pipe",
        Kind::Device => "device",
    };
    format!("{kind} {:04o} of {}:{}", meta.mode, meta.uid, meta.gid)
}

fn same_content(at: &Path, expected: &mut impl Read) -> io::Result<bool> {
    let mut file = File::open(at)?;
    let (mut one, mut other) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        let read = expected.read(&mut one)?;
        if read == 0 {
            return Ok(file.read(&mut other)? == 0);
        }
        if file.read_exact(&mut other[..read]).is_err() || one[..read] != other[..read] {
            return Ok(false);
        }
    }
}

/// Everything that the archive did not speak of.
fn note_added(dir: &Path, root: &Path, seen: &mut Seen) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.strip_prefix(root).unwrap_or(&path).as_os_str().as_bytes().to_vec();
        if let Entry::Vacant(place) = seen.entry(name) {
            place.insert(Some(Damage::Added));
        } else if path.symlink_metadata()?.is_dir() {
            note_added(&path, root, seen)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clamp;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn layer() -> (tempfile::TempDir, Store, Digest, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let staging = store.staging().unwrap();
        let root = staging.root();
        std::fs::create_dir_all(root.join("srv/deep")).unwrap();
        std::fs::write(root.join("srv/app"), "one").unwrap();
        std::fs::write(root.join("srv/deep/other"), "two").unwrap();
        symlink("app", root.join("srv/link")).unwrap();
        let layer = store.commit_layer(staging, Clamp::keep()).unwrap();
        let unpacked = store.layer_dir(&layer.diff_id).unwrap();
        (dir, store, layer.diff_id, unpacked)
    }

    fn check(hurt: impl FnOnce(&Path), expected: &[(&str, Damage)]) {
        let (_dir, store, diff_id, root) = layer();
        hurt(&root);
        let found = store.audit_layer(&diff_id).unwrap();
        let found: Vec<_> =
            found.iter().map(|it| (it.path.to_str().unwrap(), &it.damage)).collect();
        let expected: Vec<_> = expected.iter().map(|(path, damage)| (*path, damage)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_untouched_layer_has_no_damage() {
        check(|_| {}, &[]);
    }

    #[test]
    fn what_was_edited_added_removed_or_given_another_mode_is_named() {
        check(
            |root| std::fs::write(root.join("srv/app"), "uno").unwrap(),
            &[("srv/app", Damage::Edited)],
        );
        check(
            |root| std::fs::write(root.join("srv/new"), "").unwrap(),
            &[("srv/new", Damage::Added)],
        );
        check(
            |root| std::fs::remove_file(root.join("srv/deep/other")).unwrap(),
            &[("srv/deep/other", Damage::Removed)],
        );
        let mode = |root: &Path| {
            let mode = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(root.join("srv/app"), mode).unwrap();
        };
        let (expected, found) = ("file 0644 of 0:0".to_owned(), "file 0600 of 0:0".to_owned());
        check(mode, &[("srv/app", Damage::Changed { expected, found })]);
        let relink = |root: &Path| {
            std::fs::remove_file(root.join("srv/link")).unwrap();
            symlink("elsewhere", root.join("srv/link")).unwrap();
        };
        check(relink, &[("srv/link", Damage::Edited)]);
    }

    #[test]
    fn a_damaged_archive_is_a_mismatch() {
        let (_dir, store, diff_id, _) = layer();
        let (blob, _) = store.places_of(&diff_id);
        let mut bytes = std::fs::read(&blob).unwrap();
        let at = bytes.len() - 1;
        bytes[at] ^= 1;
        std::fs::remove_file(&blob).unwrap();
        std::fs::write(&blob, bytes).unwrap();
        assert!(matches!(store.audit_layer(&diff_id), Err(Error::Mismatch { .. })));
    }
}

//! Failures that are the disk's: a full or read-only file system, a damaged database. Wherever they
//! are met, below any crate, they have the same codes, and advice that names the file system.

use kiln_protocol::Code;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Where this server's data lie; a process serves one data directory.
static DATA: OnceLock<PathBuf> = OnceLock::new();

/// What the system, SQLite and Kiln's own errors say. The system's words also come through git and
/// other programs, which leave nothing else.
const WORDS: [(&str, Code); 8] = [
    ("No space left on device", Code::DiskFull),
    ("Out of diskspace", Code::DiskFull),
    ("Disk quota exceeded", Code::DiskFull),
    ("the disk is full", Code::DiskFull),
    ("database or disk is full", Code::DiskFull),
    ("Read-only file system", Code::DiskReadOnly),
    ("its file system is read-only", Code::DiskReadOnly),
    ("kiln recover rebuilds it", Code::DatabaseDamaged),
];

/// A file system, as it is now; sizes in MiB, up to 4 TiB.
struct Room {
    at: String,
    free: f64,
    size: f64,
    files_free: u64,
}

/// Says where this server's data lie.
pub(crate) fn keeps_on(path: &Path) {
    // The first to say so is right: there is one data directory.
    DATA.set(path.to_owned()).ok();
}

/// The code of a failure of Kiln's own that is the disk's.
pub(super) fn told_by(code: Code, detail: &str) -> Option<Code> {
    let own = matches!(code, Code::Internal | Code::Unavailable);
    let told = WORDS.iter().find(|(words, _)| detail.contains(words));
    told.filter(|_| own).map(|(_, code)| *code)
}

/// What to do about it.
pub(super) fn advice(code: Code) -> String {
    let room = DATA.get().and_then(|path| Room::of(path));
    let place = room.as_ref().map_or_else(|| "the data directory's".to_owned(), |r| r.at.clone());
    match code {
        Code::DatabaseDamaged => "kiln recover rebuilds it; what runs goes on.".to_owned(),
        Code::DiskReadOnly => {
            format!("mount {place} writable again; what runs goes on, and the server with it.")
        }
        _ => {
            let left = room.map_or_else(String::new, |room| {
                let Room { at, free, size, files_free } = room;
                format!(
                    "the file system {at} has {free:.1} of {size:.1} MiB free, for {files_free} files: "
                )
            });
            format!("{left}make room, with kiln image gc say, and try again. What runs goes on.")
        }
    }
}

// === impl Room ===

impl Room {
    fn of(path: &Path) -> Option<Self> {
        let told = rustix::fs::statvfs(path).ok()?;
        let kib = |blocks: u64| blocks.saturating_mul(told.f_frsize) >> 10;
        let mib = |blocks: u64| f64::from(u32::try_from(kib(blocks)).unwrap_or(u32::MAX)) / 1024.0;
        Some(Self {
            at: mount_point(path).unwrap_or_else(|| path.display().to_string()),
            free: mib(told.f_bavail),
            size: mib(told.f_blocks),
            files_free: told.f_favail,
        })
    }
}

/// The nearest directory above that another file system begins at.
fn mount_point(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| std::fs::metadata(path).map(|meta| meta.dev()).ok();
    let own = device(path)?;
    let mut ancestors = path.ancestors().take_while(|dir| device(dir) == Some(own));
    let mut top = ancestors.next()?;
    for dir in ancestors {
        top = dir;
    }
    Some(top.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Refusal;

    #[test]
    fn a_full_disk_has_its_code_wherever_it_was_met() {
        let full = std::io::Error::from_raw_os_error(28);
        let refusal = Refusal::internal(&full).into_problem();
        assert_eq!((refusal.code, refusal.status), (Code::DiskFull, 507));
        assert!(refusal.hint.unwrap().contains("make room"));
        let by_git =
            Refusal::new(Code::Internal, "git: fatal: write error: No space left on device");
        assert_eq!(by_git.into_problem().code, Code::DiskFull);
    }

    #[test]
    fn what_a_service_says_about_its_own_disk_is_not_kilns() {
        let said = Refusal::new(Code::PlanInvalid, "| No space left on device");
        assert_eq!(said.into_problem().code, Code::PlanInvalid);
    }
}

//! What git runs when someone pushes, and what it leaves behind.

use super::Moved;
use kiln_names::CommitId;
use rustix::fs::Access;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The directory of the hooks, beside the repositories.
const DIRECTORY: &str = ".hooks";

/// Names the program that judges a push, and the file that tells what has moved.
const PROGRAM: &str = "KILN_PROGRAM";
const REPORT: &str = "KILN_MOVED";

/// Each hook and its text. They are short and the same for all, so that nothing is written while
/// someone pushes.
const HOOKS: [(&str, &str); 2] = [
    ("pre-receive", "#!/bin/sh\nexec \"$KILN_PROGRAM\" config-hook\n"),
    ("post-receive", "#!/bin/sh\nexec cat > \"$KILN_MOVED\"\n"),
];

/// The hooks on the disk.
#[derive(Debug, Clone)]
pub(super) struct Hooks {
    directory: PathBuf,
    program: PathBuf,
}

impl Hooks {
    /// Writes them into the directory of the repositories.
    pub(super) fn write(repositories: &Path, program: PathBuf) -> std::io::Result<Self> {
        let directory = repositories.join(DIRECTORY);
        fs::create_dir_all(&directory)?;
        // Git runs in the repository, so a path must be whole.
        let directory = directory.canonicalize()?;
        for (name, text) in HOOKS {
            let new = directory.join(format!("{name}.new"));
            fs::write(&new, text)?;
            fs::set_permissions(&new, fs::Permissions::from_mode(0o500))?;
            fs::rename(new, directory.join(name))?;
        }
        Ok(Self { directory, program })
    }

    /// Sees that git will run them. It passes over a hook that is missing or may not be executed, on
    /// a file system mounted without that say, and would then take every push.
    pub(super) fn check(&self) -> std::io::Result<()> {
        for (name, _) in HOOKS {
            rustix::fs::access(self.directory.join(name), Access::EXEC_OK)?;
        }
        Ok(())
    }

    /// The setting that points git at them.
    pub(super) fn setting(&self) -> OsString {
        let mut setting = OsString::from("core.hooksPath=");
        setting.push(&self.directory);
        setting
    }

    /// What the hooks are told.
    pub(super) fn environment(&self, report: &Path) -> [(&'static str, OsString); 2] {
        [(PROGRAM, self.program.clone().into()), (REPORT, report.into())]
    }
}

/// What the hooks say has moved, if anything has.
pub(super) async fn moved(report: &Path) -> Option<Moved> {
    let text = tokio::fs::read_to_string(report).await.ok()?;
    let mut words = text.split_whitespace().map(CommitId::parse);
    Some(Moved { from: words.next()?.ok()?, to: words.next()?.ok()? })
}

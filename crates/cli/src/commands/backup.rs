//! `kiln backup`.

use crate::CliError;
use crate::session::Session;
use kiln_protocol::Exit;
use serde::Serialize;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Write all that must last to one file, while everything goes on
///
/// The database, configurations, keys and images, as they are at one moment.
/// The file appears when it is whole, for its owner alone: it holds the keys of
/// secrets. kiln restore makes a Kiln of it, here or on another machine.
///
/// Example:
///
///   kiln backup /backup/kiln-monday.tar
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Backup {
    /// The file; one that is there is replaced
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Leave images out: what was deployed must be baked again
    #[arg(long)]
    without_images: bool,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    file: PathBuf,
    bytes: u64,
}

impl Backup {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let mut archive = session.client.backup(!self.without_images).await?;
        let mut unfinished = Unfinished::beside(&self.file).map_err(disk)?;
        let mut bytes = 0;
        while let Some(piece) = archive.next().await? {
            unfinished.file.write_all(&piece).map_err(disk)?;
            bytes += piece.len() as u64;
        }
        unfinished.finish(&self.file).map_err(disk)?;
        let written = Written { file: self.file, bytes };
        session
            .output
            .data(&written, |it| format!("{} bytes in {}\n", it.bytes, it.file.display()))?;
        Ok(Exit::Done)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "taken by map_err")]
fn disk(error: io::Error) -> CliError {
    CliError::internal(format!("failed to write the backup: {error}"))
}

/// A file that is not whole yet; removed if it never is.
struct Unfinished {
    file: File,
    path: PathBuf,
    whole: bool,
}

impl Unfinished {
    fn beside(path: &Path) -> io::Result<Self> {
        let mut name = OsString::from(path);
        name.push(format!(".{}.new", std::process::id()));
        let path = PathBuf::from(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file, path, whole: false })
    }

    fn finish(mut self, to: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, to)?;
        self.whole = true;
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.whole {
            // Whatever made it fail may keep it from being removed too.
            std::fs::remove_file(&self.path).ok();
        }
    }
}

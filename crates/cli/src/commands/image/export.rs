//! `kiln image export`.

use crate::CliError;
use crate::progress::Progress;
use crate::session::Session;
use crate::words::size;
use kiln_client::Download;
use kiln_names::ImageRef;
use kiln_protocol::Exit;
use kiln_protocol::image::ExportFormat;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Write an image as an archive that other tools read
///
/// Unless told otherwise it is an OCI layout that docker load understands too.
/// The image keeps its digest. With - the archive goes to standard output.
///
/// Example:
///
///   kiln image export hello:3.14 hello.tar
///   docker load -i hello.tar
///   skopeo copy oci-archive:hello.tar docker://registry.example.org/hello
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Export {
    /// A digest, an unambiguous prefix of one, or APP:VERSION
    pub image: ImageRef,
    /// The file to write; it must not be there yet
    pub file: PathBuf,
    /// Only for tools that know no other: oci or docker
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// The formats that can be asked for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Oci,
    Docker,
}

impl Export {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let format = match self.format {
            None => ExportFormat::Both,
            Some(Format::Oci) => ExportFormat::Oci,
            Some(Format::Docker) => ExportFormat::Docker,
        };
        let image = session.client.image(&self.image).await?;
        let download = session.client.export_image(&self.image, format).await?;
        let progress = Progress::new(session.output);
        if self.file.as_os_str() == "-" {
            receive(download, &mut std::io::stdout(), &self.file, progress).await?;
            return Ok(Exit::Done);
        }
        let bytes = to_file(download, &self.file, progress).await?;
        let written = serde_json::json!({
            "image": image.image, "file": self.file.to_string_lossy(), "bytes": bytes,
        });
        session
            .output
            .data(&written, |_| format!("Wrote {} to {}.", size(bytes), self.file.display()))?;
        Ok(Exit::Done)
    }
}

/// A file has its name when it is whole; what broke off is removed.
async fn to_file(download: Download, path: &Path, progress: Progress) -> Result<u64, CliError> {
    let failed = |error: &std::io::Error| CliError::file(path, error);
    if path.exists() {
        let message = format!("{} is there already", path.display());
        return Err(CliError::new(Exit::Conflict, message).hint("choose another name."));
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".part");
    let unfinished = PathBuf::from(unfinished);
    let mut file = File::create(&unfinished).map_err(|error| failed(&error))?;
    let received = receive(download, &mut file, path, progress).await;
    let kept = received.and_then(|bytes| {
        let named = file.sync_data().and_then(|()| std::fs::rename(&unfinished, path));
        named.map(|()| bytes).map_err(|error| failed(&error))
    });
    if kept.is_err() {
        // It may be gone already; the error that is told is the first one.
        std::fs::remove_file(&unfinished).ok();
    }
    kept
}

async fn receive(
    mut download: Download,
    to: &mut impl Write,
    path: &Path,
    mut progress: Progress,
) -> Result<u64, CliError> {
    let total = download.size().map(|total| format!(" of {}", size(total))).unwrap_or_default();
    let mut bytes = 0;
    while let Some(piece) = download.next().await {
        let piece = piece?;
        to.write_all(&piece).map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => CliError::Closed,
            _ => CliError::file(path, &error),
        })?;
        bytes += piece.len() as u64;
        progress.passing("export", &format!("{}{total}", size(bytes)));
    }
    Ok(bytes)
}

//! `kiln restore`.

use std::path::PathBuf;

/// Make a data directory of a backup
///
/// The directory is missing or empty. Nothing is placed unless the whole archive
/// is as it says. The restored Kiln is one of its own: kiln up there brings every
/// service back as it was deployed. Type it on the machine that it is for.
///
/// Example:
///
///   kiln restore /backup/kiln-monday.tar --data /var/lib/kiln
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Restore {
    /// The archive
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

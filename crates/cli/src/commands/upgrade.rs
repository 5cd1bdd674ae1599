//! `kiln upgrade`.

use std::path::PathBuf;

/// Let a newer Kiln take over from the one that runs here
///
/// First the new program looks at the data; if it cannot work with them, nothing
/// changes. Then a new router takes over the listening socket, and a new server
/// the rest. No request fails; instances run on. A new program that does not
/// start leaves the earlier one in charge. Type it as root on the same machine.
///
/// Example:
///
///   kiln upgrade                   with a new kiln installed: run from that
///   kiln upgrade ./kiln-0.2        to that program
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Upgrade {
    /// The new program; this one unless given
    #[arg(value_name = "PROGRAM")]
    pub program: Option<PathBuf>,
}

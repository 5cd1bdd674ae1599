//! `kiln down`.

/// Stop everything that a data directory ever started
///
/// Works without a server. Instances, router and server stop; data stays.
///
/// Example:
///
///   kiln down --data /srv/kiln
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Down {}

//! `kiln recover`.

/// Rebuild a lost or damaged database
///
/// Puts the damaged one aside and makes a new one from what can still be read of
/// it, from the small copy that the server keeps beside it, and from what runs.
/// Instances and router go on serving meanwhile; the server is stopped first. A
/// database that is whole is left alone. Says what could not be brought back.
///
/// Example:
///
///   kiln recover --data /srv/kiln
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Recover {}

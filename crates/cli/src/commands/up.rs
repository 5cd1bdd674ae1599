//! `kiln up`.

use std::net::SocketAddr;

/// Start Kiln on this machine
///
/// Runs until Ctrl-C, which stops the server alone: the router and the instances
/// go on serving, and the next `kiln up` takes them over.
///
/// Example:
///
///   kiln up --data /srv/kiln --http 0.0.0.0:80
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Up {
    /// Where the API listens, besides the data directory's socket
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7400")]
    pub api: SocketAddr,
    /// Where the router takes requests for applications
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:8000")]
    pub http: SocketAddr,
    /// The network of the instances; a free one unless given
    #[arg(long, value_name = "CIDR")]
    pub network: Option<String>,
}

//! The server: opens what lasts, takes over what runs, answers the API.

use crate::clock;
use crate::data::Data;
use anyhow::Result;
use std::net::SocketAddr;

/// Serves until told to stop.
pub(crate) async fn serve(
    data: &Data,
    api: SocketAddr,
    network: Option<kiln_container::Subnet>,
) -> Result<()> {
    let _ = (data, api, network, clock::now_ms());
    Ok(())
}

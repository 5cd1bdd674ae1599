//! Where the router ended up listening, asked over its control socket.

use crate::data::Data;
use anyhow::{Result, bail};
use kiln_router::Control;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a router may take to answer on its control socket.
const ANSWERS: Duration = Duration::from_secs(10);

/// Asks until it answers.
pub(crate) async fn of_router(data: &Data) -> Result<SocketAddr> {
    let control = Control::new(data.router_socket());
    let deadline = Instant::now() + ANSWERS;
    loop {
        match control.status(None, Duration::ZERO).await {
            Ok(status) if status.pid == std::process::id() => return Ok(status.listen),
            _ if Instant::now() > deadline => bail!("the router does not answer"),
            _ => sleep(Duration::from_millis(2)).await,
        }
    }
}

//! Connections that go on as web sockets: bytes both ways until either side ends.

use crate::instance::Lease;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::error::Error;

/// Joins the two sides of an upgrade as soon as both have switched; the request stays in flight on
/// its instance until the tunnel ends.
pub(crate) fn join(client: OnUpgrade, instance: OnUpgrade, lease: Lease) {
    tokio::spawn(async move {
        if let Err(error) = carry(client, instance).await {
            tracing::debug!(instance = %lease.instance.id, error, "tunnel ended");
        }
    });
}

async fn carry(client: OnUpgrade, instance: OnUpgrade) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (client, instance) = futures_util::try_join!(client, instance)?;
    let (mut client, mut instance) = (TokioIo::new(client), TokioIo::new(instance));
    tokio::io::copy_bidirectional(&mut client, &mut instance).await?;
    Ok(())
}

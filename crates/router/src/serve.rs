//! A router from start to end.

use crate::control::surface;
use crate::listen::{Open, accept, listen};
use crate::plane::Plane;
use crate::stored::{Stored, StoredError};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a router is told at its start; all else comes with the table.
#[derive(Debug)]
pub struct Settings {
    /// Where traffic is taken; port 0 takes any free one, which the status then tells.
    pub listen: SocketAddr,
    /// A socket that listens already, inherited from the process above, in place of `listen`.
    pub listener: Option<OwnedFd>,
    /// The Unix socket to be controlled over, mode 0600. At most about 100 bytes long.
    pub control: PathBuf,
    /// Where the last table is kept.
    pub state_dir: PathBuf,
    /// How long requests in flight may take to end after `shutdown`.
    pub drain_timeout: Duration,
}

/// Why a router cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// The traffic address cannot be listened on.
    #[error("cannot take traffic on {address}{}", in_use(source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The control socket cannot be made.
    #[error("cannot be controlled over {path}")]
    Control {
        /// The socket's path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The state directory cannot be used.
    #[error(transparent)]
    Stored(#[from] StoredError),
}

fn in_use(source: &io::Error) -> &'static str {
    let taken = source.kind() == io::ErrorKind::AddrInUse;
    if taken { ": another program listens there" } else { "" }
}

/// Runs a router until `shutdown` resolves: takes its last table back, serves it, and takes new ones.
/// Then it stops taking connections, lets the requests in flight end, and returns. Connections that
/// were upgraded are cut.
///
/// # Errors
/// [`RouterError`] when it cannot start. Once it runs it does not fail.
///
/// # Cancellation
/// Dropping the future ends the router at once, cutting what is in flight when the runtime ends.
pub async fn run(
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RouterError> {
    let (stored, hold, last) = Stored::open(&settings.state_dir)?;
    let address = settings.listen;
    let failed = |source| RouterError::Listen { address, source };
    let listener = listen(address, settings.listener).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let plane = Arc::new(Plane::new(bound, stored, last));
    let control = surface::bind(&settings.control)
        .map_err(|source| RouterError::Control { path: settings.control.clone(), source })?;
    tracing::info!(listen = %bound, control = %settings.control.display(), "router runs");
    let open = Open::default();
    tokio::select! {
        () = accept(&listener, &plane, &open) => {}
        () = surface::accept(&control, &plane) => {}
        () = shutdown => {}
    }
    drop(listener);
    if tokio::time::timeout(settings.drain_timeout, open.close()).await.is_err() {
        tracing::warn!("requests in flight were cut at the deadline");
    }
    drop(hold);
    Ok(())
}

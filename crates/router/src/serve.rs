//! A router from start to end.

use crate::control::Control;
use crate::control::surface::{self, Side};
use crate::handover::{self, Given, Taken};
use crate::listen::{Open, accept, go_on, listen};
use crate::plane::{Last, Plane};
use crate::stored::{Hold, Stored, StoredError};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};

/// From one look at whether all has ended to the next.
const LOOK: Duration = Duration::from_millis(100);

/// What a router is told at its start; all else comes with the table.
#[derive(Debug)]
pub struct Settings {
    /// Where its socket comes from.
    pub socket: Socket,
    /// What goes to the next router together with the place: locks that say whose it is.
    pub locks: Vec<OwnedFd>,
    /// The Unix socket to be controlled over, mode 0600. At most about 90 bytes long.
    pub control: PathBuf,
    /// Where the last table is kept.
    pub state_dir: PathBuf,
    /// How long requests in flight may take to end after `shutdown`.
    pub drain_timeout: Duration,
    /// How long what is left of its connections may take after the place was handed over: large
    /// bodies, slow readers, web sockets.
    pub linger: Duration,
}

/// Where a router takes traffic.
#[derive(Debug)]
pub enum Socket {
    /// On an address that it listens on itself; port 0 takes any free one, which the status tells.
    Address(SocketAddr),
    /// On a socket that listens already, inherited from the process above.
    Inherited(OwnedFd),
    /// In the place of the router with the same control socket, which gives it away with its locks.
    HandedOver,
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
    /// The router before did not hand over; it goes on.
    #[error("cannot take the place of the router at {path}")]
    HandOver {
        /// That one's control socket.
        path: PathBuf,
        /// What went wrong.
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

/// Runs a router: takes its last table back, serves it, and takes new ones. It ends in one of two ways.
///
/// * `shutdown` resolves: it takes no connection any more, lets the requests in flight end, and
///   returns. Connections that were upgraded are cut.
/// * Another router takes its place: each connection ends with its next answer, or when it has been
///   idle for as long as any may be; it returns with the last of them, at the latest after `linger`.
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
    let Settings { socket, locks, control, state_dir, drain_timeout, linger } = settings;
    let begun = match socket {
        Socket::HandedOver => succeed(&control, &state_dir).await?,
        Socket::Address(at) => begin(at, || listen(at), locks, &control, &state_dir)?,
        Socket::Inherited(fd) => {
            let unknown = SocketAddr::from(([0; 4], 0));
            begin(unknown, || go_on(fd), locks, &control, &state_dir)?
        }
    };
    let Begun { place, plane, surface, asked } = begun;
    tracing::info!(listen = %plane.address(), control = %control.display(), "router runs");
    let open = Open::default();
    let mut shutdown = pin!(shutdown);
    let descriptors = place.descriptors();
    let given = tokio::select! {
        () = accept(&place.listener, &plane, &open) => None,
        () = surface::accept(&surface, &plane, Side::Owner) => None,
        given = handover::give(&asked, &plane, &control, &descriptors) => Some(given),
        () = &mut shutdown => None,
    };
    drop((surface, asked, place));
    if let Some(given) = given {
        leave(given, &plane, &open, linger, shutdown).await;
    }
    if tokio::time::timeout(drain_timeout, open.close()).await.is_err() {
        tracing::warn!("requests in flight were cut at the deadline");
    }
    Ok(())
}

/// What a router has that can be there once only.
struct Place {
    listener: TcpListener,
    hold: Hold,
    locks: Vec<OwnedFd>,
}

impl Place {
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let own = [self.listener.as_fd(), self.hold.as_fd()];
        own.into_iter().chain(self.locks.iter().map(AsFd::as_fd)).collect()
    }
}

/// A router that has all it needs.
struct Begun {
    place: Place,
    plane: Arc<Plane>,
    surface: UnixListener,
    asked: UnixListener,
}

/// Begins where no router is.
fn begin(
    address: SocketAddr,
    listener: impl FnOnce() -> io::Result<TcpListener>,
    locks: Vec<OwnedFd>,
    control: &Path,
    state_dir: &Path,
) -> Result<Begun, RouterError> {
    let (stored, hold, last) = Stored::open(state_dir)?;
    let failed = |source| RouterError::Listen { address, source };
    let listener = listener().map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let plane = Arc::new(Plane::new(bound, stored, last, &Last::Unknown));
    let sockets = surface::prepare(control)
        .and_then(|surface| Ok((surface.publish()?, handover::prepare(control)?.publish()?)));
    let path = control.to_owned();
    let (surface, asked) = sockets.map_err(|source| RouterError::Control { path, source })?;
    Ok(Begun { place: Place { listener, hold, locks }, plane, surface, asked })
}

/// Begins in the place of another router: whatever can fail comes before that one lets go.
async fn succeed(control: &Path, state_dir: &Path) -> Result<Begun, RouterError> {
    let failed = |source| RouterError::HandOver { path: control.to_owned(), source };
    let (taken, place) = handover::take(control).await.map_err(failed)?;
    let mut place = place.into_iter();
    let (Some(listener), Some(lock)) = (place.next(), place.next()) else {
        return Err(failed(io::ErrorKind::UnexpectedEof.into()));
    };
    let listener = go_on(listener).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let (stored, hold, table) = Stored::held(state_dir, lock)?;
    let last = Last::Passing(taken.passing());
    let plane = Arc::new(Plane::new(bound, stored, table, &last));
    let place = Place { listener, hold, locks: place.collect() };
    let (surface, asked) = settle(taken, &plane, control).await.map_err(failed)?;
    Ok(Begun { place, plane, surface, asked })
}

async fn settle(
    taken: Taken,
    plane: &Arc<Plane>,
    control: &Path,
) -> io::Result<(UnixListener, UnixListener)> {
    let (surface, asked) = (surface::prepare(control)?, handover::prepare(control)?);
    let predecessor = taken.settle().await?;
    let plane = Arc::clone(plane);
    plane.follow(predecessor);
    Ok((surface.publish()?, asked.publish()?))
}

/// Ends connections one by one, as what they carry ends.
async fn leave(
    mut given: Given,
    plane: &Arc<Plane>,
    open: &Open,
    linger: Duration,
    shutdown: Pin<&mut impl Future<Output = ()>>,
) {
    given.let_go().await;
    tracing::info!("another router has the place; this one ends with its connections");
    let ended = async {
        open.last().await;
        while !plane.is_quiet() {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = ended => {}
        () = surface::accept(&given.control, plane, Side::Leaving) => {}
        () = tokio::time::sleep(linger) => tracing::warn!("what still goes on is cut"),
        () = shutdown => {}
    }
}

/// The routers that have handed over and still have connections, of those that were once controlled
/// over `control`: each by its process.
pub async fn leaving(control: &Path) -> Vec<u32> {
    let (Some(dir), Some(stem)) = (control.parent(), control.file_stem()) else {
        return Vec::new();
    };
    let prefix = format!("{}.", stem.to_string_lossy());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".sock"));
        let Some(pid) = number.and_then(|text| text.parse::<u32>().ok()) else { continue };
        // Who answers is who it says it is; a socket that nobody answers was left by a kill.
        let status = Control::new(entry.path()).status(None, Duration::ZERO).await;
        found.extend(status.ok().filter(|status| status.pid == pid).map(|status| status.pid));
    }
    found
}

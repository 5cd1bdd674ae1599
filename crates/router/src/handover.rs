//! How a router gives its place to the next one, without a request being lost.
//!
//! ```text
//! next ───connects────▶ before      tables wait from here on
//!      ◀─descriptors───             the listening socket, and the locks of the place
//!      ◀─the offer─────             which instances pass, and where it is controlled from now on
//!      ───ready────────▶            it takes no connection any more, and lets go of the locks
//!      ◀─go────────────             connections that came meanwhile wait in the socket's queue
//! ```
//!
//! The one before ends each connection with its next answer, and goes when it has none. Until then the
//! next one tells it every table before it puts that in force itself, counts what it has in flight, and
//! takes an instance for started when both have seen it pass: to who controls them the two are one
//! router.
//!
//! # Guarantees
//! * Until it is ready the next one may fail or die, and the one before goes on as if nothing had been.
//! * No table is lost or put in force by one of the two alone.

mod descriptors;
mod predecessor;

pub(crate) use predecessor::Predecessor;

use crate::control::surface::{self, Bound};
use crate::plane::Plane;
use kiln_names::InstanceId;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// How long the next router may take from its first word to being ready; tables wait meanwhile.
const READY_WITHIN: Duration = Duration::from_secs(4);
/// How long the router before may take for each of its words.
const SPEAKS_WITHIN: Duration = Duration::from_secs(10);
/// The longest offer: some 20 bytes for each of the instances that a table may hold.
const OFFER_BYTES: u32 = 4 << 20;
/// What the next router says when it has all that it needs.
const READY: u8 = b'r';
/// What the one before says when it has let go.
const GO: u8 = b'g';

/// What goes with the descriptors.
#[derive(Debug, Serialize, Deserialize)]
struct Offer {
    /// Where the router that leaves is controlled from now on.
    control: PathBuf,
    /// The instances that take traffic.
    passing: Vec<InstanceId>,
}

/// Where hand-overs of the router with that control socket are asked for.
fn meeting_place(control: &Path) -> PathBuf {
    control.with_extension("handover")
}

/// Makes the socket that the next router will ask at; nobody finds it before it is published.
pub(crate) fn prepare(control: &Path) -> io::Result<Bound> {
    surface::prepare(&meeting_place(control))
}

/// A place that was given away; the one who has it waits for the last word.
#[derive(Debug)]
pub(crate) struct Given {
    next: UnixStream,
    pub(crate) control: UnixListener,
    path: PathBuf,
}

/// Waits for the next router, and gives it the place. One that fails is forgotten.
pub(crate) async fn give(
    asked: &UnixListener,
    plane: &Plane,
    control: &Path,
    place: &[BorrowedFd<'_>],
) -> Given {
    loop {
        match asked.accept().await {
            Ok((next, _)) => match offer(next, plane, control, place).await {
                Ok(given) => return given,
                Err(error) => tracing::warn!(%error, "a hand-over came to nothing"),
            },
            Err(error) => {
                tracing::warn!(%error, "no hand-over taken");
                tokio::time::sleep(surface::ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn offer(
    mut next: UnixStream,
    plane: &Plane,
    control: &Path,
    place: &[BorrowedFd<'_>],
) -> io::Result<Given> {
    let path = control.with_extension(format!("{}.sock", std::process::id()));
    let leaving = surface::prepare(&path)?.publish()?;
    let given = async {
        let mut ownership = plane.pause().await;
        let offer = Offer { control: path.clone(), passing: plane.passing() };
        descriptors::send(&next, place).await?;
        let text = serde_json::to_vec(&offer)?;
        next.write_u32(u32::try_from(text.len()).map_err(io::Error::other)?).await?;
        next.write_all(&text).await?;
        match next.read_u8().await? {
            READY => plane.leave(&mut ownership),
            word => return Err(io::Error::other(format!("the next router said {word}"))),
        }
        Ok(())
    };
    let given = tokio::time::timeout(READY_WITHIN, given).await;
    match given.unwrap_or_else(|late| Err(late.into())) {
        Ok(()) => Ok(Given { next, control: leaving, path }),
        Err(error) => {
            remove(&path);
            Err(error)
        }
    }
}

impl Given {
    /// Says that the place is free. To be called when its descriptors are closed here.
    pub(crate) async fn let_go(&mut self) {
        if let Err(error) = self.next.write_u8(GO).await {
            tracing::warn!(%error, "the next router is gone already");
        }
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// A place that is offered.
#[derive(Debug)]
pub(crate) struct Taken {
    before: UnixStream,
    offer: Offer,
}

/// Asks the router with that control socket for its place: its descriptors come in the order in which
/// it holds them.
pub(crate) async fn take(control: &Path) -> io::Result<(Taken, Vec<OwnedFd>)> {
    let asked = async {
        let mut before = UnixStream::connect(meeting_place(control)).await?;
        let place = descriptors::receive(&before).await?;
        let length = before.read_u32().await?;
        if length > OFFER_BYTES {
            return Err(io::Error::other(format!("an offer of {length} bytes")));
        }
        let mut text = vec![0; length as usize];
        before.read_exact(&mut text).await?;
        Ok((Taken { before, offer: serde_json::from_slice(&text)? }, place))
    };
    let asked = tokio::time::timeout(SPEAKS_WITHIN, asked).await;
    asked.unwrap_or_else(|late| Err(late.into()))
}

impl Taken {
    /// The instances that took traffic.
    pub(crate) fn passing(&self) -> &[InstanceId] {
        &self.offer.passing
    }

    /// Says that this router has all that it needs, and waits until the one before has let go. One
    /// that dies over it has let go as well.
    pub(crate) async fn settle(mut self) -> io::Result<Predecessor> {
        self.before.write_u8(READY).await?;
        match tokio::time::timeout(SPEAKS_WITHIN, self.before.read_u8()).await? {
            Ok(word) if word != GO => Err(io::Error::other(format!("the router said {word}"))),
            Ok(_) | Err(_) => Ok(Predecessor::at(self.offer.control)),
        }
    }
}

/// Whoever removed it first did the same.
fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "a socket stays behind");
    }
}

//! Getting a request to an instance, and to another one where that is safe.

use super::refusal::Refusal;
use super::target::Target;
use crate::body::RequestBody;
use crate::headers::Said;
use crate::instance::{Instance, Lease};
use crate::plane::Plane;
use crate::upstream::{Alone, Answer, Link, Sent, Streamed, Unanswered};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use kiln_names::InstanceId;
use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::{Duration, Instant};

/// The most instances that one request is offered to.
const MOST_ATTEMPTS: usize = 3;
/// How long an idle connection may have been idle to carry a request that cannot be sent twice: an
/// instance that closes idle connections does so after seconds, not right after an answer.
const FRESH: Duration = Duration::from_secs(1);

/// An answer, whose body may be on its way still.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) response: Response<Passing>,
    pub(super) lease: Lease,
}

/// How the body of an answer comes.
#[derive(Debug)]
pub(super) enum Passing {
    /// It is here.
    Whole(Bytes),
    Streamed(Box<Streamed>),
    Detached(Incoming),
}

/// An instance gave no answer.
#[derive(Debug)]
struct Failed {
    why: Unanswered,
    /// The request, unless parts of it are gone.
    back: Option<Request<RequestBody>>,
}

/// Offers a request to instances until one answers it.
///
/// # Guarantees
/// It is offered to another only if the last one got no byte of it, or if its method is idempotent,
/// its body is at hand, and no answer had begun.
pub(super) async fn deliver(
    plane: &Plane,
    target: &Target,
    mut request: Request<RequestBody>,
    said: Said<'_>,
    began: Instant,
) -> Result<Delivered, Refusal> {
    let mut tried: Vec<InstanceId> = Vec::new();
    loop {
        let lease = target.lease(plane, &tried)?;
        let failed = match exchange(&lease.instance, request, said, tried.is_empty()).await {
            Ok(response) => return Ok(Delivered { response, lease }),
            Err(failed) => failed,
        };
        tracing::debug!(instance = %lease.instance.id, error = %failed.why.error, "no answer");
        let is_last = tried.len() + 1 == MOST_ATTEMPTS;
        let Some(next) = failed.again().filter(|_| !is_last) else {
            lease.figures.answered(StatusCode::BAD_GATEWAY, began.elapsed());
            return Err(Refusal::NoAnswer(lease.instance.id));
        };
        tried.push(lease.instance.id);
        request = next;
    }
}

/// Sends a request over an idle connection, if `reuse` allows one, or else a new one. A request that
/// streams its body or asks for an upgrade always gets a new one, and that its own task.
async fn exchange(
    instance: &Instance,
    mut request: Request<RequestBody>,
    said: Said<'_>,
    reuse: bool,
) -> Result<Response<Passing>, Failed> {
    if request.body().is_streamed() || request.headers().contains_key(header::UPGRADE) {
        // Kept apart, as are other rare ways, so that the future of most requests is small to move.
        return Box::pin(exchange_alone(instance, request, said)).await;
    }
    let age = if request.method().is_idempotent() { Duration::MAX } else { FRESH };
    while reuse && let Some(link) = idle(instance, age).await {
        match link.send(&mut request, Some(said)).await {
            Ok(response) => return Ok(passing(instance, response)),
            Err(Unanswered { sent: Sent::Nothing, .. }) => {}
            Err(why) => return Err(Failed { why, back: Some(request) }),
        }
    }
    match Box::pin(Link::open(instance.address)).await {
        Ok(link) => match link.send(&mut request, Some(said)).await {
            Ok(response) => Ok(passing(instance, response)),
            Err(why) => Err(Failed { why, back: Some(request) }),
        },
        Err(error) => Err(Failed::connecting(instance, request, error)),
    }
}

/// Sends a request over a connection of its own.
async fn exchange_alone(
    instance: &Instance,
    mut request: Request<RequestBody>,
    said: Said<'_>,
) -> Result<Response<Passing>, Failed> {
    for (name, value) in said.lines() {
        request.headers_mut().insert(name, value);
    }
    match Alone::open(instance.address).await {
        Ok(alone) => match alone.send(request).await {
            Ok(response) => Ok(response.map(Passing::Detached)),
            Err((why, back)) => Err(Failed { why, back }),
        },
        Err(error) => Err(Failed::connecting(instance, request, error)),
    }
}

/// An answer without its connection, which is free already if all of the answer is here.
fn passing(instance: &Instance, response: Response<Answer>) -> Response<Passing> {
    response.map(|answer| match answer {
        Answer::Whole(body, link) => {
            if let Some(link) = link {
                instance.idle.put(link, Instant::now());
            }
            Passing::Whole(body)
        }
        Answer::Streamed(body) => Passing::Streamed(body),
    })
}

/// An idle connection that is still open, as far as can be known.
async fn idle(instance: &Instance, age: Duration) -> Option<Link> {
    poll_fn(|cx| {
        let candidates = std::iter::from_fn(|| instance.idle.take(Instant::now(), age));
        let mut open = candidates.filter_map(|mut link| link.is_open(cx).then_some(link));
        Poll::Ready(open.next())
    })
    .await
}

impl Failed {
    fn connecting(instance: &Instance, request: Request<RequestBody>, error: io::Error) -> Self {
        instance.standing.suspect();
        Self { why: Unanswered::new(Sent::Nothing, error), back: Some(request) }
    }

    /// The request, if it may be sent again.
    fn again(self) -> Option<Request<RequestBody>> {
        let may = match self.why.sent {
            Sent::Nothing => true,
            Sent::Something => self.back.as_ref()?.method().is_idempotent(),
            Sent::AnswerBegan => false,
        };
        self.back.filter(|_| may)
    }
}

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

/// Offers a request to instances until one answers it.
///
/// # Guarantees
/// It is offered to another only if the last one got no byte of it, or if its method is idempotent,
/// its body is at hand, and no answer had begun.
pub(super) async fn deliver(
    plane: &Plane,
    target: &Target,
    request: &mut Option<Request<RequestBody>>,
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
        tracing::debug!(instance = %lease.instance.id, error = %failed.error, "no answer");
        let may = request.as_ref().is_some_and(|request| may_again(request, failed.sent));
        if !may || tried.len() + 1 == MOST_ATTEMPTS {
            lease.figures.answered(StatusCode::BAD_GATEWAY, began.elapsed());
            return Err(Refusal::NoAnswer(lease.instance.id));
        }
        tried.push(lease.instance.id);
    }
}

/// Whether a request that is still at hand may be sent again.
fn may_again(request: &Request<RequestBody>, sent: Sent) -> bool {
    match sent {
        Sent::Nothing => true,
        Sent::Something => request.method().is_idempotent(),
        Sent::AnswerBegan => false,
    }
}

/// Sends a request over an idle connection, if `reuse` allows one, or else a new one. A request that
/// streams its body or asks for an upgrade always gets a new one, and that its own task.
async fn exchange(
    instance: &Instance,
    slot: &mut Option<Request<RequestBody>>,
    said: Said<'_>,
    reuse: bool,
) -> Result<Response<Passing>, Unanswered> {
    let request = slot.as_mut().expect("it is only gone after an answer, or for good");
    if request.body().is_streamed() || request.headers().contains_key(header::UPGRADE) {
        // Kept apart, as are other rare ways, so that the future of most requests is small to move.
        return Box::pin(exchange_alone(instance, slot, said)).await;
    }
    let age = if request.method().is_idempotent() { Duration::MAX } else { FRESH };
    while reuse && let Some(link) = idle(instance, age).await {
        match link.send(request, Some(said)).await {
            Ok(response) => return Ok(passing(instance, response)),
            Err(Unanswered { sent: Sent::Nothing, .. }) => {}
            Err(failed) => return Err(failed),
        }
    }
    let link = Box::pin(Link::open(instance.address)).await;
    let link = link.map_err(|error| not_connected(instance, error))?;
    Ok(passing(instance, link.send(request, Some(said)).await?))
}

/// Sends a request over a connection of its own; it is back in the slot if no byte was sent.
async fn exchange_alone(
    instance: &Instance,
    slot: &mut Option<Request<RequestBody>>,
    said: Said<'_>,
) -> Result<Response<Passing>, Unanswered> {
    let alone = Alone::open(instance.address).await;
    let alone = alone.map_err(|error| not_connected(instance, error))?;
    let mut request = slot.take().expect("exchange() has looked");
    for (name, value) in said.lines() {
        request.headers_mut().insert(name, value);
    }
    match alone.send(request).await {
        Ok(response) => Ok(response.map(Passing::Detached)),
        Err((failed, back)) => {
            *slot = back;
            Err(failed)
        }
    }
}

fn not_connected(instance: &Instance, error: io::Error) -> Unanswered {
    instance.standing.suspect();
    Unanswered::new(Sent::Nothing, error)
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

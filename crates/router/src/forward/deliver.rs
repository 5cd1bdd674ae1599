//! Getting a request to an instance, and to another one where that is safe.

use super::refusal::Refusal;
use super::target::Target;
use crate::body::RequestBody;
use crate::instance::{Instance, Lease};
use crate::plane::Plane;
use crate::upstream::{Link, Unanswered};
use http::{Method, Request, Response, StatusCode, header};
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

/// The head of an answer, and what its body will come over.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) response: Response<Incoming>,
    pub(super) link: Link,
    pub(super) lease: Lease,
}

/// An instance gave no answer.
#[derive(Debug)]
struct Failed {
    /// The request, if no byte of it was sent.
    unsent: Option<Request<RequestBody>>,
    /// Whether the instance had begun to answer.
    answer_began: bool,
    error: Box<dyn std::error::Error + Send + Sync>,
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
    began: Instant,
) -> Result<Delivered, Refusal> {
    let mut tried: Vec<InstanceId> = Vec::new();
    loop {
        let lease = target.lease(plane, &tried)?;
        let is_last = tried.len() + 1 == MOST_ATTEMPTS;
        let spare = if is_last { None } else { again(&request) };
        let failed = match exchange(&lease.instance, request, tried.is_empty()).await {
            Ok((response, link)) => return Ok(Delivered { response, link, lease }),
            Err(failed) => failed,
        };
        tracing::debug!(instance = %lease.instance.id, error = %failed.error, "no answer");
        let next = failed.unsent.or(if failed.answer_began { None } else { spare });
        let Some(next) = next.filter(|_| !is_last) else {
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
    reuse: bool,
) -> Result<(Response<Incoming>, Link), Failed> {
    let own = request.body().is_streamed() || request.headers().contains_key(header::UPGRADE);
    let age = if request.method().is_idempotent() { Duration::MAX } else { FRESH };
    if reuse && !own {
        while let Some(link) = idle(instance, age).await {
            match link.send(request).await {
                Ok(answered) => return Ok(answered),
                Err(Unanswered { unsent: Some(back), .. }) => request = back,
                Err(failed) => return Err(failed.into()),
            }
        }
    }
    let link = match Link::open(instance.address).await {
        Ok(link) if own => link.detach(),
        Ok(link) => link,
        Err(error) => {
            instance.standing.suspect();
            return Err(Failed::connecting(request, error));
        }
    };
    Ok(link.send(request).await?)
}

/// An idle connection that is still open, as far as can be known.
async fn idle(instance: &Instance, age: Duration) -> Option<Link> {
    poll_fn(|cx| {
        let candidates = std::iter::from_fn(|| instance.idle.take(Instant::now(), age));
        let mut open = candidates.filter_map(|mut link| link.is_reusable(cx).then_some(link));
        Poll::Ready(open.next())
    })
    .await
}

/// A copy of a request that may be sent twice.
fn again(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let may = request.method().is_idempotent() && !request.headers().contains_key(header::UPGRADE);
    let mut copy = Request::new(request.body().again().filter(|_| may)?);
    *copy.method_mut() = Method::clone(request.method());
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

impl Failed {
    fn connecting(request: Request<RequestBody>, error: io::Error) -> Self {
        Self { unsent: Some(request), answer_began: false, error: error.into() }
    }
}

impl From<Unanswered> for Failed {
    fn from(Unanswered { error, unsent }: Unanswered) -> Self {
        Self { unsent, answer_began: error.is_parse(), error: error.into() }
    }
}

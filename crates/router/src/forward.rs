//! The way of one request: target, body, instance, answer.

mod deliver;
mod refusal;
mod target;

use crate::body::{RequestBody, ResponseBody};
use crate::headers::{self, Said};
use crate::plane::Plane;
use crate::tunnel;
use crate::upstream::Detached;
use deliver::{Delivered, Passing, deliver};
use futures_util::FutureExt;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use refusal::Refusal;
use std::future::Future;
use std::time::Instant;
use target::Target;

/// Carries a request to an instance and answers it. `client` is what `X-Forwarded-For` will say.
///
/// The future holds the request once; each `async` in between would move it, and hold it, twice more.
pub(crate) fn forward(
    plane: &Plane,
    client: &HeaderValue,
    request: Request<Incoming>,
) -> impl Future<Output = Response<ResponseBody>> {
    let answered = |carried: Result<_, Refusal>| carried.unwrap_or_else(|refusal| refusal.answer());
    carry(plane, client, request).map(answered)
}

async fn carry(
    plane: &Plane,
    client: &HeaderValue,
    mut request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Refusal> {
    let began = Instant::now();
    let target = Target::read(&request)?;
    let upgrade = asked_upgrade(&mut request);
    let (mut parts, incoming) = request.into_parts();
    let body = if incoming.is_end_stream() {
        RequestBody::Empty
    } else if target.has_route(plane) {
        Box::pin(RequestBody::receive(incoming)).await?
    } else {
        // Said before the client is made to send its body.
        return Err(Refusal::NoRoute(target.host().into_owned()));
    };
    target.set_origin_form(&mut parts);
    headers::to_instance(&mut parts.headers);
    let mut outgoing = Request::from_parts(parts, body);
    if upgrade.is_some() {
        headers::go_on_as_websocket(outgoing.headers_mut());
    }
    let said = Said { client, host: target.host_header() };
    let delivered = deliver(plane, &target, &mut Some(outgoing), said, began).await?;
    delivered.lease.figures.answered(delivered.response.status(), began.elapsed());
    Ok(answer(delivered, upgrade))
}

/// The client's side of an upgrade, if it asks for one that is carried.
fn asked_upgrade(request: &mut Request<Incoming>) -> Option<OnUpgrade> {
    let may = request.method() == Method::GET && request.version() == Version::HTTP_11;
    let asked = may && headers::asks_for_websocket(request.headers());
    asked.then(|| hyper::upgrade::on(request))
}

/// Makes an instance's answer the client's.
fn answer(delivered: Delivered, upgrade: Option<OnUpgrade>) -> Response<ResponseBody> {
    let Delivered { mut response, lease } = delivered;
    let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    headers::to_client(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    if switched && let Some(client) = upgrade {
        tunnel::join(client, hyper::upgrade::on(&mut response), lease);
        headers::go_on_as_websocket(response.headers_mut());
        return response.map(|_| ResponseBody::empty());
    }
    if switched {
        return Refusal::UnaskedUpgrade.answer();
    }
    response.map(|passing| match passing {
        Passing::Whole(bytes) => ResponseBody::Whole(bytes),
        Passing::Streamed(mut body) => {
            body.hold(lease);
            ResponseBody::Streamed(body)
        }
        Passing::Detached(incoming) => ResponseBody::Detached(Detached::new(incoming, lease)),
    })
}

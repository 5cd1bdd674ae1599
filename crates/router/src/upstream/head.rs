//! Heads on the way to an instance and back, as bytes. Pure.

use super::framing::{Framing, Unframed};
use crate::body::RequestBody;
use crate::headers::Said;
use bytes::{Buf, Bytes};
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use http::{Method, Request, Response, StatusCode, Version};
use std::mem::MaybeUninit;

/// The largest head of an answer.
const HEAD_BYTES: usize = 64 * 1024;
/// The most headers of an answer.
const MOST_HEADERS: usize = 100;
/// Room for the head of most requests.
const USUAL_BYTES: usize = 1024;

/// The head of an answer, and what follows it.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) response: Response<()>,
    pub(super) framing: Framing,
    /// Whether the instance will take another request on the connection.
    pub(super) keeps: bool,
}

/// An answer that is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoHead {
    #[error("the answer is not HTTP")]
    Syntax(#[from] httparse::Error),
    #[error("the head of the answer is larger than {HEAD_BYTES} bytes")]
    TooLarge,
    #[error("the answer has a header that is none")]
    Header(#[source] http::Error),
    #[error(transparent)]
    Framing(#[from] Unframed),
}

/// The bytes of a request's head, with what the router says. Its framing is said anew, by the body
/// that is at hand.
pub(super) fn write(request: &Request<RequestBody>, said: Option<Said<'_>>) -> Vec<u8> {
    let mut head = Vec::with_capacity(USUAL_BYTES);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    for part in [request.method().as_str(), " ", path, " HTTP/1.1\r\n"] {
        head.extend_from_slice(part.as_bytes());
    }
    let mut length = match request.body() {
        RequestBody::Whole(bytes) => Some(bytes.len()),
        RequestBody::Empty | RequestBody::Streamed(_) => None,
    };
    for (name, value) in request.headers() {
        if *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING {
            length.get_or_insert(0);
        } else {
            write_line(&mut head, name, value.as_bytes());
        }
    }
    for (name, value) in said.iter().flat_map(Said::lines) {
        write_line(&mut head, &name, value.as_bytes());
    }
    if let Some(length) = length {
        write_line(&mut head, &CONTENT_LENGTH, length.to_string().as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn write_line(head: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    for part in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
        head.extend_from_slice(part);
    }
}

/// Takes the head of the final answer to a request by `method` from what was read, once all of it is
/// there; interim answers before it are passed over. `spare` becomes its headers.
pub(super) fn read(
    read: &mut Bytes,
    method: &Method,
    spare: &mut HeaderMap,
) -> Result<Option<Head>, NoHead> {
    while let Some((length, head)) = parse(read, method, spare)? {
        read.advance(length);
        let status = head.response.status();
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Some(head));
        }
    }
    if read.len() < HEAD_BYTES { Ok(None) } else { Err(NoHead::TooLarge) }
}

fn parse(
    read: &Bytes,
    method: &Method,
    spare: &mut HeaderMap,
) -> Result<Option<(usize, Head)>, NoHead> {
    let mut lines = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let parsing = config.parse_response_with_uninit_headers(&mut parsed, read, &mut lines);
    let httparse::Status::Complete(length) = parsing? else { return Ok(None) };
    let mut headers = std::mem::take(spare);
    headers.clear();
    for line in &*parsed.headers {
        let name = HeaderName::from_bytes(line.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(read.slice_ref(line.value));
        headers.append(
            name.map_err(|error| NoHead::Header(error.into()))?,
            value.map_err(|error| NoHead::Header(error.into()))?,
        );
    }
    let code = parsed.code.expect("a complete head has one");
    let status = StatusCode::from_u16(code).map_err(|error| NoHead::Header(error.into()))?;
    let framing = Framing::of(method, status, &headers)?;
    let keeps = status != StatusCode::SWITCHING_PROTOCOLS
        && !framing.ends_with_connection()
        && keeps(parsed.version == Some(1), &headers);
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    *response.version_mut() = Version::HTTP_11;
    Ok(Some((length, Head { response, framing, keeps })))
}

/// Whether a connection outlives the answer (RFC 9112 §9.3).
fn keeps(is_1_1: bool, headers: &HeaderMap) -> bool {
    let says = |word: &str| {
        let values =
            headers.get_all(CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
    };
    !says("close") && (is_1_1 || says("keep-alive"))
}

#[cfg(test)]
mod tests;

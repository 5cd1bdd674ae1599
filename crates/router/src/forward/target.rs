//! Whom a request is meant for.

use super::refusal::Refusal;
use crate::instance::Lease;
use crate::plane::{NoLease, Plane};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Uri, Version, header};
use kiln_names::InstanceId;
use std::borrow::Cow;

/// Host and path of a request. Copies of both are counted references.
#[derive(Debug)]
pub(super) struct Target {
    host: HeaderValue,
    uri: Uri,
}

impl Target {
    /// Reads it from the request line in absolute form, or else from the one `Host` header.
    pub(super) fn read<B>(request: &Request<B>) -> Result<Self, Refusal> {
        if request.method() == Method::CONNECT {
            return Err(Refusal::Connect);
        }
        let mut hosts = request.headers().get_all(header::HOST).into_iter();
        let host = match (request.uri().authority(), hosts.next(), hosts.next()) {
            (_, _, Some(_)) => return Err(Refusal::Malformed("more than one Host header")),
            (Some(authority), _, _) => authority_host(authority.as_str())?,
            (None, Some(host), None) => host.clone(),
            (None, None, None) => return Err(Refusal::Malformed("no Host header")),
        };
        let target = Self { host, uri: request.uri().clone() };
        target.host.to_str().map_err(|_| Refusal::Malformed("a Host header that is no text"))?;
        Ok(target)
    }

    /// The host as routes have it: no port, no final dot, lower case.
    pub(super) fn host(&self) -> Cow<'_, str> {
        fold(self.host.to_str().expect("read() has looked"))
    }

    /// The host as the client gave it.
    pub(super) fn host_header(&self) -> &HeaderValue {
        &self.host
    }

    /// Makes a head say to an instance path and query alone. A request in absolute form is passed on
    /// with the host of its request line (RFC 9112 §3.2.2).
    pub(super) fn set_origin_form(&self, parts: &mut Parts) {
        parts.version = Version::HTTP_11;
        if self.uri.authority().is_some() {
            let path = self.uri.path_and_query().cloned();
            parts.uri = path.unwrap_or(const { PathAndQuery::from_static("/") }).into();
            parts.headers.insert(header::HOST, self.host.clone());
        }
    }

    pub(super) fn has_route(&self, plane: &Plane) -> bool {
        plane.has_route(&self.host(), self.uri.path())
    }

    pub(super) fn lease(&self, plane: &Plane, tried: &[InstanceId]) -> Result<Lease, Refusal> {
        let host = self.host();
        plane.lease(&host, self.uri.path(), tried).map_err(|none| match none {
            NoLease::NoRoute => Refusal::NoRoute(host.into_owned()),
            NoLease::NoInstance => Refusal::NoInstance,
        })
    }
}

fn authority_host(authority: &str) -> Result<HeaderValue, Refusal> {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    HeaderValue::try_from(host).map_err(|_| Refusal::Malformed("a host that is no text"))
}

fn fold(host: &str) -> Cow<'_, str> {
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, hosts: &[&str], expected: Option<(&str, &str)>) {
        let mut request = Request::get(uri).body(()).unwrap();
        for host in hosts {
            request.headers_mut().append(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        let target = Target::read(&request).ok();
        let (mut parts, ()) = request.into_parts();
        let seen = target.map(|target| {
            target.set_origin_form(&mut parts);
            (target.host().into_owned(), parts.uri.to_string())
        });
        let seen = seen.as_ref().map(|(host, uri)| (host.as_str(), uri.as_str()));
        assert_eq!(seen, expected, "{uri} {hosts:?}");
    }

    #[test]
    fn a_target_is_one_host_without_its_port_in_lower_case() {
        check("/a?b", &["x.localhost"], Some(("x.localhost", "/a?b")));
        check("/", &["X.LocalHost.:8000"], Some(("x.localhost", "/")));
        check("/", &[], None);
        check("/", &["a", "a"], None);
    }

    #[test]
    fn a_request_line_in_absolute_form_outweighs_the_host_header() {
        check("http://u@X.localhost:80/a?b", &["y"], Some(("x.localhost", "/a?b")));
        check("http://x.localhost", &["y"], Some(("x.localhost", "/")));
        check("http://x.localhost/", &["y", "z"], None);
    }
}

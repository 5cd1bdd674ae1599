//! What a configuration may say about calls over HTTP: where to, and with which headers.

use crate::document::{Mistake, Reader, shown};
use http::{HeaderName, HeaderValue, Uri};
use kiln_names::SecretName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The longest address: what servers and proxies agree to take.
const MAX_URL_BYTES: usize = 2_048;
/// The most headers of one call.
const MAX_HEADERS: usize = 32;
/// The longest value of a header.
const MAX_HEADER_BYTES: usize = 4_096;

const CALL: &[&str] = &["url", "method", "headers", "secret"];
const METHODS: [(&str, HttpMethod); 4] = [
    ("POST", HttpMethod::Post),
    ("PUT", HttpMethod::Put),
    ("PATCH", HttpMethod::Patch),
    ("DELETE", HttpMethod::Delete),
];
/// The headers that a call has of its own.
const OWN: &[&str] = &[
    "host",
    "connection",
    "content-type",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "idempotency-key",
];

/// An absolute address of HTTP or HTTPS, without user, password and fragment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpUrl(String);

/// A call, but for its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpCall {
    /// Where to.
    pub url: HttpUrl,
    /// How.
    pub method: HttpMethod,
    /// What is sent besides what every call has; the names are in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The secret whose value is sent as a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretName>,
}

/// The methods that have a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
}

// === impl HttpUrl ===

impl HttpUrl {
    /// Checks `text`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_URL_BYTES {
            return Err(format!("an address has at most {MAX_URL_BYTES} B"));
        }
        let example = "http://example.com/path is one";
        let uri: Uri = text.parse().map_err(|e| format!("this is no address, {e}: {example}"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(format!("the whole address is wanted: {example}"));
        };
        if !matches!(scheme, "http" | "https") {
            return Err("an address begins with http:// or https://".to_owned());
        }
        if authority.as_str().contains('@') {
            return Err("no user and password in an address: everybody sees it".to_owned());
        }
        if text.contains('#') {
            return Err("a fragment (#…) is never sent: leave it out".to_owned());
        }
        let has_port = authority.as_str().len() > authority.host().len();
        if authority.host().is_empty() || (has_port && authority.port_u16().is_none()) {
            return Err("a host is wanted, and a port is a number up to 65535".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HttpUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<HttpUrl> for String {
    fn from(HttpUrl(text): HttpUrl) -> Self {
        text
    }
}

impl std::fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl HttpMethod ===

impl HttpMethod {
    /// As it stands in a request.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl std::fmt::Display for HttpMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

pub(super) fn url(reader: &Reader<'_>) -> Result<HttpUrl, Mistake> {
    HttpUrl::parse(reader.text()?).map_err(|words| reader.refuse(words))
}

pub(super) fn call(reader: &Reader<'_>) -> Result<HttpCall, Mistake> {
    let fields = reader.fields(CALL)?;
    Ok(HttpCall {
        url: url(&fields.require("url")?)?,
        method: fields.read("method", method)?.unwrap_or(HttpMethod::Post),
        headers: fields.read("headers", headers)?.unwrap_or_default(),
        secret: fields.read("secret", Reader::parse)?,
    })
}

fn method(reader: &Reader<'_>) -> Result<HttpMethod, Mistake> {
    let text = reader.text()?;
    let known = METHODS.into_iter().find(|(name, _)| *name == text);
    known.map(|(_, method)| method).ok_or_else(|| {
        let known = METHODS.map(|(name, _)| name).join(", ");
        reader.refuse(format!("\"{}\" is none of {known}", shown(text)))
    })
}

fn headers(reader: &Reader<'_>) -> Result<BTreeMap<String, String>, Mistake> {
    let mut headers = BTreeMap::new();
    for (name, value) in reader.members("headers", MAX_HEADERS)? {
        let (name, text) = header(name, &value)?;
        if headers.insert(name, text).is_some() {
            return Err(value.refuse("it stands twice: case makes no difference in a header"));
        }
    }
    Ok(headers)
}

fn header(name: &str, value: &Reader<'_>) -> Result<(String, String), Mistake> {
    let text = value.text()?;
    let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(value.refuse("a header's name has letters, digits and hyphens"));
    };
    if name == http::header::AUTHORIZATION {
        return Err(value.refuse(
            "everybody sees what stands here: set a secret, and name it in `secret` beside `url`",
        ));
    }
    if OWN.contains(&name.as_str()) {
        return Err(value.refuse("Kiln sets this one itself"));
    }
    let plain = text.is_ascii() && HeaderValue::from_str(text).is_ok();
    if text.len() > MAX_HEADER_BYTES || !plain {
        return Err(value.refuse(format!(
            "a header's value is one line of ASCII, at most {MAX_HEADER_BYTES} B"
        )));
    }
    Ok((name.as_str().to_owned(), text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::{DeploymentParams, HookPoint, HookWork};

    fn call(text: &str) -> Result<HttpCall, String> {
        let text = format!(r#"{{"hooks": {{"afterShift": {{"http": {text}}}}}}}"#);
        let params = DeploymentParams::parse(&text).map_err(|mistake| mistake.to_string())?;
        match &params.settings.hooks[&HookPoint::AfterShift].work {
            HookWork::Http(call) => Ok(call.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_call_has_an_address_and_may_have_more() {
        let least = call(r#"{"url": "http://[::1]:8080/purge?all=1"}"#).unwrap();
        assert_eq!(least.url.as_str(), "http://[::1]:8080/purge?all=1");
        assert_eq!((least.method, least.headers.len(), least.secret), (HttpMethod::Post, 0, None));
        let all = call(
            r#"{"url": "https://cdn.example", "method": "PUT", "secret": "CDN_TOKEN",
                "headers": {"X-Zone": "a b"}}"#,
        );
        let all = all.unwrap();
        assert_eq!((all.method, all.headers["x-zone"].as_str()), (HttpMethod::Put, "a b"));
        assert_eq!(all.secret.as_ref().unwrap().as_str(), "CDN_TOKEN");
        let stored = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<HttpCall>(&stored).unwrap(), all);
    }

    #[test]
    fn an_address_that_cannot_be_called_is_refused_with_the_reason() {
        for (url, told) in [
            ("", "no address"),
            ("/purge", "the whole address"),
            ("cdn.example", "the whole address"),
            ("ftp://cdn.example/", "begins with http:// or https://"),
            ("https:///purge", "no address"),
            ("http://ann:pw@cdn.example/", "no user and password"),
            ("http://cdn.example/#top", "fragment"),
            ("http://cdn.example:66000/", "up to 65535"),
            ("http://cdn.example:/", "up to 65535"),
            ("http://cdn.example/a b", "no address"),
            ("http://cdn.example/a\\nb", "no address"),
            (&format!("http://cdn.example/{}", "a".repeat(2_048)), "at most 2048 B"),
        ] {
            let mistake = call(&format!(r#"{{"url": "{url}"}}"#)).unwrap_err();
            assert!(mistake.contains(told), "{url}: {mistake}");
            assert!(mistake.contains("hooks.afterShift.http.url"), "{mistake}");
        }
    }

    #[test]
    fn mistakes_in_a_call_are_named() {
        let long = format!(r#""headers": {{"X-A": "{}"}}"#, "a".repeat(4_097));
        let many: Vec<String> = (0..33).map(|at| format!(r#""X-{at}": "a""#)).collect();
        let many = format!(r#""headers": {{{}}}"#, many.join(","));
        for (text, told) in [
            (r#""method": "post""#, "none of POST, PUT"),
            (r#""method": "GET""#, "none of POST, PUT"),
            (r#""headers": {"X-A": "a\r\nX-B: b"}"#, "one line of ASCII"),
            (r#""headers": {"X-A": "ä"}"#, "one line of ASCII"),
            (r#""headers": {"X A": "a"}"#, "letters, digits and hyphens"),
            (r#""headers": {"X-A\r\n": "a"}"#, "letters, digits and hyphens"),
            (r#""headers": {"X-A": "a", "x-a": "b"}"#, "it stands twice"),
            (r#""headers": {"Authorization": "Bearer hunter2"}"#, "name it in `secret`"),
            (r#""headers": {"Host": "other"}"#, "Kiln sets this one itself"),
            (r#""headers": {"Idempotency-Key": "1"}"#, "Kiln sets this one itself"),
            (r#""secret": "a/b""#, "a secret's name"),
            (r#""body": "{}""#, "body"),
            (&long, "at most 4096 B"),
            (&many, "headers"),
        ] {
            let mistake = call(&format!(r#"{{"url": "http://a/", {text}}}"#)).unwrap_err();
            assert!(mistake.contains(told), "{text}: {mistake}");
        }
        assert!(call("{}").unwrap_err().contains("url"));
    }
}

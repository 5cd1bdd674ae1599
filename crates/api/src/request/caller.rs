//! Who asks.

use crate::app::App;
use crate::token;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use kiln_protocol::wire::USER_HEADER;
use kiln_store::audit::By;
use std::convert::Infallible;
use std::sync::Arc;

/// The longest name that is kept, in characters.
const MAX_NAME: usize = 64;

/// Who is recorded when the request does not say: only root and holders of the token come this far.
const UNNAMED: &str = "root";

/// Who asks, and when. The name is what the request says, for people to read; what may be done was
/// decided before.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) By);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let name = parts.headers.get(USER_HEADER).and_then(|value| value.to_str().ok());
        let name = name.map(str::to_owned).or_else(|| token::user(&parts.headers));
        let who = name.map_or_else(|| UNNAMED.to_owned(), |name| plain(&name));
        Ok(Self(By { who, at_ms: app.clock.now_ms() }))
    }
}

/// A name that fits a line of the audit.
fn plain(name: &str) -> String {
    let kept = name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect::<String>();
    let kept = kept.trim();
    if kept.is_empty() { UNNAMED.to_owned() } else { kept.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_short_and_on_one_line() {
        assert_eq!(plain(" ada\tl "), "adal");
        assert_eq!(plain("  "), UNNAMED);
        assert_eq!(plain(&"x".repeat(100)).len(), MAX_NAME);
    }
}

//! Long lists, a page at a time: `?n=N&last=NAME`, and a link to what follows.

use super::denial::{Denial, Reason};
use axum::http::{HeaderMap, HeaderValue, header};
use kiln_protocol::paths::query;

/// The most names of one answer.
const MOST: usize = 10_000;

/// Which part of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    count: usize,
    last: Option<String>,
}

impl Page {
    /// Reads a query; what it has besides is none of its business.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, Denial> {
        let mut page = Self { count: MOST, last: None };
        for pair in text.unwrap_or_default().split('&') {
            match pair.split_once('=') {
                Some(("n", count)) => {
                    let count = count.parse::<usize>().map_err(|_| {
                        let message = format!("n is {count:?}, and no number of names");
                        Denial::new(Reason::PaginationInvalid, message)
                    })?;
                    page.count = count.min(MOST);
                }
                Some(("last", last)) => page.last = Some(unescape(last)),
                _ => {}
            }
        }
        Ok(page)
    }

    /// The names of the page, of all of them in order; and the last one, if others follow.
    pub(super) fn of(&self, mut names: Vec<String>) -> (Vec<String>, Option<String>) {
        names.retain(|name| self.last.as_ref().is_none_or(|last| name > last));
        let more = names.len() > self.count;
        names.truncate(self.count);
        let next = names.last().filter(|_| more).cloned();
        (names, next)
    }

    /// The header that leads to the next page, if there is one.
    pub(super) fn link(&self, path: &str, next: Option<String>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(next) = next {
            let query = query(&[("n", Some(self.count.to_string())), ("last", Some(next))]);
            let link = HeaderValue::try_from(format!("<{path}{query}>; rel=\"next\""));
            headers.extend(link.ok().map(|link| (header::LINK, link)));
        }
        headers
    }
}

/// Names have letters that stand for themselves, but for the slash of `base/NAME`.
fn unescape(text: &str) -> String {
    text.replace("%2F", "/").replace("%2f", "/").replace("%2B", "+").replace("%2b", "+")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: &[&str], next: Option<&str>) {
        let names = ["a", "b", "base/x", "c"].map(str::to_owned).into();
        let (page, found) = Page::parse(Some(query)).unwrap().of(names);
        assert_eq!(
            (page, found.as_deref()),
            (expected.iter().map(|&it| it.to_owned()).collect(), next)
        );
    }

    #[test]
    fn pages_follow_one_another_to_the_end() {
        check("", &["a", "b", "base/x", "c"], None);
        check("n=2", &["a", "b"], Some("b"));
        check("n=2&last=b", &["base/x", "c"], None);
        check("last=base%2Fx&n=5", &["c"], None);
        check("n=0", &[], None);
        assert!(Page::parse(Some("n=x")).is_err() && Page::parse(Some("n=-1")).is_err());
    }

    #[test]
    fn the_link_leads_behind_the_last_name() {
        let page = Page::parse(Some("n=3")).unwrap();
        let link = page.link("/v2/_catalog", Some("base/x".to_owned()));
        assert_eq!(link[header::LINK], "</v2/_catalog?n=3&last=base%2Fx>; rel=\"next\"");
        assert!(page.link("/v2/_catalog", None).is_empty());
    }
}

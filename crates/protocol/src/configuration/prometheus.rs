//! `analysis.prometheus`: what a new release is measured by besides what the router counts.

use super::HttpUrl;
use crate::document::{Mistake, Reader, shown};
use crate::suggest::nearest;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use std::borrow::Cow;

const PROMETHEUS: &[&str] = &["url", "queries"];
const QUERY: &[&str] = &["name", "query", "min", "max"];
/// The most queries: more than people look at.
const MAX_QUERIES: usize = 16;
/// The longest name of one, and the longest query.
const MAX_NAME_BYTES: usize = 64;
const MAX_QUERY_BYTES: usize = 4_096;

/// A Prometheus, and what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prometheus {
    /// Where its API is, but for `/api/v1`.
    pub url: HttpUrl,
    /// What is asked, and what may be answered.
    pub queries: Vec<Query>,
}

/// An expression with the bounds of its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// What people call it.
    pub name: String,
    /// The expression, with placeholders.
    pub query: String,
    /// How large it is at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Number>,
    /// How large it is at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Number>,
}

/// What stands for something that only a deployment knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The application.
    Application,
    /// The environment.
    Environment,
    /// The new release.
    Release,
    /// The release that was active before.
    OldRelease,
    /// A process of the new release.
    Process,
    /// The new group of that process.
    Group,
    /// The old group of that process.
    OldGroup,
}

/// A part of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'t> {
    Text(&'t str),
    /// What stands between `{` and `}`, where that is one word: an expression itself never has that.
    Word(&'t str),
}

// === impl Query ===

impl Query {
    /// Whether it is about one process, and asked once for each.
    #[must_use]
    pub fn is_of_a_process(&self) -> bool {
        use Placeholder::{Group, OldGroup, Process};
        self.placeholders().any(|placeholder| matches!(placeholder, Process | Group | OldGroup))
    }

    /// The query with values; none where one is missing.
    #[must_use]
    pub fn filled<'v>(
        &self,
        value: impl Fn(Placeholder) -> Option<Cow<'v, str>>,
    ) -> Option<String> {
        let part = |part| match part {
            Part::Text(text) => Some(Cow::Borrowed(text)),
            Part::Word(word) => value(Placeholder::named(word)?),
        };
        parts(&self.query).map(part).collect()
    }

    fn placeholders(&self) -> impl Iterator<Item = Placeholder> {
        parts(&self.query).filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Word(word) => Placeholder::named(word),
        })
    }
}

// === impl Placeholder ===

impl Placeholder {
    const ALL: [(&'static str, Self); 7] = [
        ("application", Self::Application),
        ("environment", Self::Environment),
        ("release", Self::Release),
        ("oldRelease", Self::OldRelease),
        ("process", Self::Process),
        ("group", Self::Group),
        ("oldGroup", Self::OldGroup),
    ];

    fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(name, _)| *name == word).map(|(_, placeholder)| placeholder)
    }
}

fn parts(query: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = query;
    std::iter::from_fn(move || {
        let (part, length) = match first_word(rest) {
            _ if rest.is_empty() => return None,
            Some((0, word)) => (Part::Word(word), word.len() + "{}".len()),
            Some((at, _)) => (Part::Text(&rest[..at]), at),
            None => (Part::Text(rest), rest.len()),
        };
        rest = &rest[length..];
        Some(part)
    })
}

/// Where the first `{word}` begins, and the word.
fn first_word(text: &str) -> Option<(usize, &str)> {
    text.match_indices('{').find_map(|(at, _)| {
        let (word, _) = text[at + 1..].split_once('}')?;
        let begins = word.starts_with(|first: char| first.is_ascii_alphabetic());
        let is_word = begins && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_word.then_some((at, word))
    })
}

pub(super) fn prometheus(reader: &Reader<'_>) -> Result<Prometheus, Mistake> {
    let fields = reader.fields(PROMETHEUS)?;
    let at = fields.require("url")?;
    let url = super::http::url(&at)?;
    if url.as_str().contains('?') {
        return Err(at.refuse("this is where the API begins: it has no query (?…)"));
    }
    let list = fields.require("queries")?;
    let mut names: Vec<String> = Vec::new();
    let queries = list.each("queries", MAX_QUERIES, |item| {
        let query = query(item)?;
        match names.contains(&query.name) {
            true => Err(item.refuse(format!("\"{}\" stands twice", shown(&query.name)))),
            false => {
                names.push(query.name.clone());
                Ok(query)
            }
        }
    })?;
    match queries.is_empty() {
        true => Err(list.refuse("at least one query is wanted")),
        false => Ok(Prometheus { url, queries }),
    }
}

fn query(reader: &Reader<'_>) -> Result<Query, Mistake> {
    let fields = reader.fields(QUERY)?;
    let at = fields.require("name")?;
    let name = at.word(MAX_NAME_BYTES)?;
    if name.contains(char::is_control) {
        return Err(at.refuse("a name is one line"));
    }
    let at = fields.require("query")?;
    let query = at.word(MAX_QUERY_BYTES)?;
    check_words(&at, &query)?;
    let bound = |bound: &Reader<'_>| bound.number().cloned();
    let (min, max) = (fields.read("min", bound)?, fields.read("max", bound)?);
    let value = |bound: &Option<Number>| bound.as_ref().and_then(Number::as_f64);
    match (value(&min), value(&max)) {
        (None, None) => Err(reader.refuse("a query has a `min`, a `max` or both")),
        (Some(least), Some(most)) if least > most => {
            Err(reader.refuse(format!("min {least} is more than max {most}")))
        }
        _ => Ok(Query { name, query, min, max }),
    }
}

fn check_words(at: &Reader<'_>, query: &str) -> Result<(), Mistake> {
    for part in parts(query) {
        let Part::Word(word) = part else { continue };
        if Placeholder::named(word).is_none() {
            let names = Placeholder::ALL.map(|(name, _)| name);
            let hint = match nearest(word, names) {
                Some(name) => format!("did you mean {{{name}}}?"),
                None => format!("there are {}", names.map(|name| format!("{{{name}}}")).join(", ")),
            };
            return Err(at.refuse(format!("{{{}}} stands for nothing: {hint}", shown(word))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::DeploymentParams;

    fn read(text: &str) -> Result<Prometheus, String> {
        let text = format!(r#"{{"watch": "1m", "analysis": {{"prometheus": {text}}}}}"#);
        let params = DeploymentParams::parse(&text).map_err(|mistake| mistake.to_string())?;
        Ok(params.settings.analysis.unwrap().prometheus.unwrap())
    }

    fn one(query: &str) -> Result<Query, String> {
        let text = format!(r#"{{"url": "http://prometheus:9090", "queries": [{query}]}}"#);
        read(&text).map(|prometheus| prometheus.queries[0].clone())
    }

    #[test]
    fn a_query_has_a_name_bounds_and_placeholders() {
        let query = one(r#"{"name": "checkout errors", "max": 0.01,
                "query": "sum(rate(errors{release=\"{release}\",code=~\"5[0-9]{2}\"}[1m])) or {}"}"#);
        let query = query.unwrap();
        assert_eq!(
            (query.min.as_ref(), query.max.as_ref().unwrap().to_string().as_str()),
            (None, "0.01")
        );
        assert!(!query.is_of_a_process());
        let filled = query.filled(|placeholder| {
            (placeholder == Placeholder::Release).then_some(Cow::Borrowed("r-0123"))
        });
        let expected = r#"sum(rate(errors{release="r-0123",code=~"5[0-9]{2}"}[1m])) or {}"#;
        assert_eq!(filled.as_deref(), Some(expected));
        assert_eq!(query.filled(|_| None), None);
    }

    #[test]
    fn a_query_with_a_group_or_a_process_is_about_one() {
        for (name, expected) in [
            ("application", false),
            ("environment", false),
            ("release", false),
            ("oldRelease", false),
            ("process", true),
            ("group", true),
            ("oldGroup", true),
        ] {
            let query =
                one(&format!(r#"{{"name": "a", "query": "up{{a=\"{{{name}}}\"}}", "min": 1}}"#));
            assert_eq!(query.unwrap().is_of_a_process(), expected, "{name}");
        }
    }

    #[test]
    fn mistakes_in_a_query_are_named() {
        let long = format!(r#"{{"name": "a", "query": "{}", "max": 1}}"#, "a".repeat(4_097));
        for (text, told) in [
            (r#"{"name": "a", "query": "up{g=\"{grup}\"}", "max": 1}"#, "did you mean {group}?"),
            (r#"{"name": "a", "query": "{instance}", "max": 1}"#, "there are {application}"),
            (r#"{"name": "a", "query": "up"}"#, "a `min`, a `max` or both"),
            (r#"{"name": "a", "query": "up", "min": 2, "max": 1}"#, "min 2 is more than max 1"),
            (r#"{"name": "a", "query": "up", "max": "1"}"#, "a number"),
            (r#"{"name": "a", "query": " ", "max": 1}"#, "it is empty"),
            (r#"{"name": "a\nb", "query": "up", "max": 1}"#, "one line"),
            (r#"{"query": "up", "max": 1}"#, "name"),
            (r#"{"name": "a", "query": "up", "most": 1}"#, "most"),
            (
                r#"{"name": "a", "query": "up", "max": 1}, {"name": "a", "query": "up", "min": 1}"#,
                "\"a\" stands twice",
            ),
            (&long, "bytes in one string"),
        ] {
            let mistake = one(text).unwrap_err();
            assert!(mistake.contains(told), "{text}: {mistake}");
        }
        for (text, told) in [
            (r#"{"url": "http://a/?x=1", "queries": []}"#, "has no query"),
            (r#"{"url": "prometheus:9090", "queries": []}"#, "the whole address"),
            (r#"{"url": "http://a/", "queries": []}"#, "at least one query"),
            (r#"{"url": "http://a/"}"#, "queries"),
        ] {
            let mistake = read(text).unwrap_err();
            assert!(mistake.contains(told), "{text}: {mistake}");
        }
    }
}

//! Metadata: JSON without a schema, edited one property at a time. Pure.

use kiln_names::Invalid;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The most bytes that the JSON of one thing's metadata may have. It is read whole at every
/// deployment, so it stays something that a person can read.
const MAX_BYTES: usize = 256 << 10;
/// The most bytes of a dotted path.
const MAX_KEY: usize = 256;
/// The most characters of `judgement`: a few lines of a terminal.
const MAX_JUDGEMENT: usize = 500;
/// The most segments of a dotted path.
const MAX_DEPTH: usize = 16;

/// A property's place: its name, or a dotted path into objects, as `blocked.reason`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(Vec<String>);

/// One change of one property.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// Gives the property a value; objects on the way are made.
    Set(Key, Value),
    /// Takes the property away.
    Unset(Key),
}

/// Who keeps an application or an environment from being deployed to, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocked {
    /// Who blocked it.
    pub user: String,
    /// Why.
    pub reason: String,
}

/// Why metadata cannot be edited so. Reads after "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// A value that is no object stands on the way to the property.
    #[error("set {key}: {at} is not an object")]
    NotAnObject {
        /// The property.
        key: String,
        /// What stands in the way.
        at: String,
    },
    /// There is no such property.
    #[error("find {key}")]
    NoProperty {
        /// The property.
        key: String,
    },
    /// The metadata would become larger than the limit.
    #[error("keep {bytes} bytes of metadata: at most {MAX_BYTES} fit")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// `contact` is not an address.
    #[error("set contact: an e-mail address is needed, as team@example.com")]
    Contact,
    /// `judgement` is not a text that people can read at a glance.
    #[error("set judgement: a text of 1 to {MAX_JUDGEMENT} characters is needed")]
    Judgement,
    /// `blocked` lacks something.
    #[error("set blocked: an object of two texts is needed, user and reason, neither empty")]
    Blocked,
}

impl Key {
    /// Reads a dotted path.
    ///
    /// # Errors
    /// [`Invalid`] when a segment is empty or the path is long or deep beyond reason.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let rule = "a property's name or a dotted path: no empty segment, no control characters, \
            at most 16 segments and 256 bytes";
        let segment = |s: &str| !s.is_empty() && !s.chars().any(char::is_control);
        let good = text.len() <= MAX_KEY
            && text.split('.').count() <= MAX_DEPTH
            && text.split('.').all(segment);
        good.then(|| Self(text.split('.').map(str::to_owned).collect()))
            .ok_or_else(|| Invalid::new(text, "a key of metadata", rule))
    }

    /// The property in `metadata`.
    #[must_use]
    pub fn find<'m>(&self, metadata: &'m Map<String, Value>) -> Option<&'m Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(metadata.get(first)?, |value, segment| value.get(segment))
    }

    fn last(&self) -> (&[String], &str) {
        let (last, parents) = self.0.split_last().expect("a parsed key has a segment");
        (parents, last)
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

impl Edit {
    /// Changes `metadata`, and says what changed for the audit.
    ///
    /// # Errors
    /// [`MetadataError`]; then `metadata` may be half changed and is to be dropped.
    pub fn apply(self, metadata: &mut Map<String, Value>) -> Result<Value, MetadataError> {
        let changed = match self {
            Self::Set(key, value) => set(metadata, &key, value)?,
            Self::Unset(key) => unset(metadata, &key)?,
        };
        check(metadata)?;
        Ok(changed)
    }
}

fn set(metadata: &mut Map<String, Value>, key: &Key, value: Value) -> Result<Value, MetadataError> {
    let (parents, last) = key.last();
    let mut object = metadata;
    for (depth, parent) in parents.iter().enumerate() {
        let child = object.entry(parent).or_insert_with(|| json!({}));
        object = child.as_object_mut().ok_or_else(|| MetadataError::NotAnObject {
            key: key.to_string(),
            at: parents[..=depth].join("."),
        })?;
    }
    let before = object.insert(last.to_owned(), value.clone());
    Ok(json!({"key": key.to_string(), "from": before, "to": value}))
}

fn unset(metadata: &mut Map<String, Value>, key: &Key) -> Result<Value, MetadataError> {
    let (parents, last) = key.last();
    let object = parents
        .iter()
        .try_fold(metadata, |object, parent| object.get_mut(parent).and_then(Value::as_object_mut));
    // The others keep their order.
    let before = object.and_then(|object| object.shift_remove(last));
    let before = before.ok_or_else(|| MetadataError::NoProperty { key: key.to_string() })?;
    Ok(json!({"key": key.to_string(), "from": before}))
}

/// Whether `metadata` may stand: its size, and the properties that have a meaning.
pub(crate) fn check(metadata: &Map<String, Value>) -> Result<(), MetadataError> {
    check_size(metadata)?;
    if metadata.get("contact").is_some_and(|contact| !is_address(contact)) {
        return Err(MetadataError::Contact);
    }
    if metadata.contains_key("judgement") && judgement(metadata).is_none() {
        return Err(MetadataError::Judgement);
    }
    if metadata.contains_key("blocked") && blocked(metadata).is_none() {
        return Err(MetadataError::Blocked);
    }
    Ok(())
}

/// Whether `object` keeps the limit.
pub(crate) fn check_size(object: &Map<String, Value>) -> Result<(), MetadataError> {
    let bytes = serde_json::to_vec(object).expect("a JSON value becomes JSON").len();
    (bytes <= MAX_BYTES).then_some(()).ok_or(MetadataError::TooLarge { bytes })
}

/// Who blocked it and why, if anyone did.
#[must_use]
pub fn blocked(metadata: &Map<String, Value>) -> Option<Blocked> {
    let blocked = Blocked::deserialize(metadata.get("blocked")?).ok()?;
    let said = |text: &str| !text.trim().is_empty();
    (said(&blocked.user) && said(&blocked.reason)).then_some(blocked)
}

/// What people look at when a deployment waits for them, if it is said.
#[must_use]
pub fn judgement(metadata: &Map<String, Value>) -> Option<&str> {
    let text = metadata.get("judgement")?.as_str()?;
    let fits = !text.trim().is_empty() && text.chars().count() <= MAX_JUDGEMENT;
    fits.then_some(text)
}

/// One `@` with a plain name before it and something like a domain behind it; whether mail
/// arrives there only mail can tell.
fn is_address(value: &Value) -> bool {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '@';
    value.as_str().and_then(|text| text.split_once('@')).is_some_and(|(name, domain)| {
        !name.is_empty()
            && name.chars().all(plain)
            && domain.chars().all(plain)
            && domain.len() <= 253
            && domain.split('.').all(|label| !label.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn set_in(before: Value, key: &str, value: Value) -> Result<Value, MetadataError> {
        let mut metadata = object(before);
        Edit::Set(Key::parse(key).unwrap(), value).apply(&mut metadata)?;
        Ok(Value::Object(metadata))
    }

    #[test]
    fn a_property_is_set_alone_and_the_others_stay() {
        let before = json!({"b": 1, "a": {"x": 1}});
        let check = |key, value, expected: Value| {
            assert_eq!(set_in(before.clone(), key, value).unwrap(), expected);
        };
        check("b", json!(2), json!({"b": 2, "a": {"x": 1}}));
        check("a.y", json!([1]), json!({"b": 1, "a": {"x": 1, "y": [1]}}));
        check("c.d.e", json!(null), json!({"b": 1, "a": {"x": 1}, "c": {"d": {"e": null}}}));
    }

    #[test]
    fn a_value_on_the_way_is_not_overwritten() {
        let error = set_in(json!({"a": {"b": 1}}), "a.b.c", json!(1)).unwrap_err();
        let (key, at) = ("a.b.c".to_owned(), "a.b".to_owned());
        assert_eq!(error, MetadataError::NotAnObject { key, at });
    }

    #[test]
    fn a_property_is_taken_away_and_the_others_keep_their_order() {
        let mut metadata = object(json!({"a": 1, "b": {"x": 1, "y": 2}, "c": 3}));
        Edit::Unset(Key::parse("a").unwrap()).apply(&mut metadata).unwrap();
        let told = Edit::Unset(Key::parse("b.x").unwrap()).apply(&mut metadata).unwrap();
        assert_eq!(told, json!({"key": "b.x", "from": 1}));
        assert_eq!(serde_json::to_string(&metadata).unwrap(), r#"{"b":{"y":2},"c":3}"#);
        let again = Edit::Unset(Key::parse("b.x").unwrap()).apply(&mut metadata);
        assert_eq!(again, Err(MetadataError::NoProperty { key: "b.x".to_owned() }));
    }

    #[test]
    fn a_key_is_a_dotted_path_without_empty_segments() {
        let metadata = object(json!({"a": {"b": [1]}}));
        assert_eq!(Key::parse("a.b").unwrap().find(&metadata), Some(&json!([1])));
        assert_eq!(Key::parse("a.c").unwrap().find(&metadata), None);
        for bad in ["", ".", "a.", ".a", "a..b", "a\n", &"a".repeat(257), &"a.".repeat(17)] {
            assert!(Key::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_contact_is_an_address() {
        for good in ["ann@example.com", "team+oncall@localhost"] {
            assert!(set_in(json!({}), "contact", json!(good)).is_ok(), "{good}");
        }
        for bad in
            [json!("ann"), json!("@a"), json!("a@"), json!("a b@c"), json!("a@b@c"), json!(1)]
        {
            assert_eq!(set_in(json!({}), "contact", bad), Err(MetadataError::Contact));
        }
    }

    #[test]
    fn a_block_names_a_person_and_a_reason() {
        let block = json!({"user": "ann", "reason": "audit"});
        let metadata = set_in(json!({}), "blocked", block.clone()).unwrap();
        assert_eq!(blocked(&object(metadata)).unwrap().reason, "audit");
        for bad in [json!(true), json!({"user": "ann"}), json!({"user": "", "reason": "x"})] {
            assert_eq!(set_in(json!({}), "blocked", bad), Err(MetadataError::Blocked));
        }
    }

    #[test]
    fn metadata_beyond_its_limit_is_refused() {
        let error = set_in(json!({}), "x", json!("y".repeat(MAX_BYTES))).unwrap_err();
        assert!(matches!(error, MetadataError::TooLarge { .. }));
    }
}

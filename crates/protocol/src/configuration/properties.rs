//! `application-properties.json`: what the application reads, and the variables it becomes.

use super::{MAX_KEY_BYTES, MAX_PROPERTIES, MAX_VALUE_BYTES};
use crate::document::{Document, Mistake, Reader, Value};
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, HashMap};

/// A flat object of strings, numbers and booleans, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties(Map<String, Json>);

impl Properties {
    /// Reads the object.
    ///
    /// # Errors
    /// The first mistake in it; that includes two keys that become one variable, and keys that
    /// become a variable of Kiln's own.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let document = Document::json(text)?;
        let mut taken = HashMap::new();
        let mut properties = Map::new();
        for (key, member) in document.root().members("properties", MAX_PROPERTIES)? {
            check_key(key, &member)?;
            claim_variable(key, &member, &mut taken)?;
            properties.insert(key.to_owned(), property(&member)?);
        }
        Ok(Self(properties))
    }

    /// The properties as JSON.
    #[must_use]
    pub fn as_json(&self) -> &Map<String, Json> {
        &self.0
    }

    /// The variables that they become.
    #[must_use]
    pub fn variables(&self) -> BTreeMap<String, String> {
        variables(&self.0)
    }
}

/// The variables that properties become: `a.b` is `A_B`, and strings lose their quotes.
#[must_use]
pub fn variables(properties: &Map<String, Json>) -> BTreeMap<String, String> {
    let plain = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    properties.iter().map(|(key, value)| (variable_name(key), plain(value))).collect()
}

/// The variable that a key becomes: in capitals, with `_` for `.` and `-`.
#[must_use]
pub fn variable_name(key: &str) -> String {
    key.chars().map(|c| if matches!(c, '.' | '-') { '_' } else { c.to_ascii_uppercase() }).collect()
}

fn check_key(key: &str, member: &Reader<'_>) -> Result<(), Mistake> {
    let first = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let good = key.len() <= MAX_KEY_BYTES
        && key.as_bytes().first().is_some_and(first)
        && key.bytes().all(allowed);
    good.then_some(()).ok_or_else(|| {
        member.refuse(format!(
            "a key is a letter or _, then letters, digits, _ . and -, at most {MAX_KEY_BYTES} in all"
        ))
    })
}

fn claim_variable<'d>(
    key: &'d str,
    member: &Reader<'_>,
    taken: &mut HashMap<String, &'d str>,
) -> Result<(), Mistake> {
    let name = variable_name(key);
    if name == "PORT" || name.starts_with("KILN_") {
        return Err(
            member.refuse(format!("it would be {name} in the environment, which Kiln sets"))
        );
    }
    match taken.insert(name, key) {
        None => Ok(()),
        Some(other) => {
            let name = variable_name(key);
            Err(member.refuse(format!("it would be {name} in the environment, as {other} is")))
        }
    }
}

fn property(member: &Reader<'_>) -> Result<Json, Mistake> {
    match member.value() {
        Value::Flag(flag) => Ok((*flag).into()),
        Value::Number(number) => Ok(number.clone().into()),
        Value::Text(_) => Ok(member.argument(MAX_VALUE_BYTES)?.into()),
        _ => Err(member.wrong("a string, a number or a boolean")),
    }
}

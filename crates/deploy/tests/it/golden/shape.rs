//! What a journal looks like, whatever it says: which fields there are, and of which kinds.

use super::Line;
use serde_json::Value;
use std::collections::BTreeSet;

/// The fields whose text says which fields are beside it.
const TAGS: [&str; 5] = ["event", "action", "verb", "type", "phase"];

/// Every field of every record as a path, with what kind of value it has. A field that has none
/// this time says so: it may have one another time.
pub(crate) fn of(records: &[Line]) -> BTreeSet<String> {
    let mut shape = BTreeSet::new();
    for record in records {
        let event: Value = serde_json::from_str(&record.event).unwrap();
        let name = event["event"].as_str().unwrap().to_owned();
        add(&mut shape, &format!("event={name}"), &event);
    }
    shape
}

fn add(shape: &mut BTreeSet<String>, path: &str, value: &Value) {
    match value {
        Value::Object(fields) => {
            let kind = fields.get("action").and_then(Value::as_str);
            let path = kind.map_or_else(|| path.to_owned(), |kind| format!("{path}.action={kind}"));
            shape.insert(path.clone());
            for (name, value) in fields {
                let tag = TAGS.contains(&name.as_str()).then(|| value.as_str()).flatten();
                match tag {
                    Some(tag) => shape.insert(format!("{path}.{name}={tag}")),
                    None => {
                        add(shape, &format!("{path}.{name}"), value);
                        false
                    }
                };
            }
        }
        Value::Array(values) => {
            shape.insert(format!("{path}[]"));
            values.iter().for_each(|value| add(shape, &format!("{path}[]"), value));
        }
        Value::Null => drop(shape.insert(format!("{path}: none"))),
        Value::Bool(_) => drop(shape.insert(format!("{path}: bool"))),
        Value::Number(_) => drop(shape.insert(format!("{path}: number"))),
        Value::String(_) => drop(shape.insert(format!("{path}: text"))),
    }
}

//! What a process's `engine` settings say about the nodes of a Swarm that may run it. Pure.

use kiln_protocol::suggest::nearest;
use serde_json::{Map, Value};

/// The keys that there are.
const KEYS: [&str; 3] = ["constraints", "spread", "reserveCpu"];
/// What a constraint may be about; the last two are followed by a label's name.
const SUBJECTS: [&str; 7] = [
    "node.id",
    "node.hostname",
    "node.role",
    "node.platform.os",
    "node.platform.arch",
    "node.labels.",
    "engine.labels.",
];
/// More would be a mistake.
const MOST: usize = 16;
/// The longest constraint, in bytes.
const LONGEST: usize = 256;

/// Where instances may run, and what is set aside for them there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Placement {
    /// All of them must hold, in Docker's own words.
    pub(crate) constraints: Vec<String>,
    /// Labels over whose values instances are spread evenly.
    pub(crate) spread: Vec<String>,
    /// Whether the processors that it may use are promised to nobody else.
    pub(crate) reserve_cpu: bool,
}

impl Placement {
    /// Reads the settings; an error names the first mistake.
    pub(crate) fn parse(settings: &Map<String, Value>) -> Result<Self, String> {
        if let Some(key) = settings.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let meant = nearest(key, KEYS).map(|key| format!(" (did you mean {key}?)"));
            let (meant, known) = (meant.unwrap_or_default(), KEYS.join(", "));
            return Err(format!("engine.{key}: there is no such key{meant}; there are {known}"));
        }
        let reserve_cpu = match settings.get("reserveCpu") {
            None => false,
            Some(Value::Bool(reserve)) => *reserve,
            Some(other) => return Err(format!("engine.reserveCpu is {other}; true or false")),
        };
        Ok(Self {
            constraints: texts(settings, "constraints", is_constraint, "node.labels.disk==ssd")?,
            spread: texts(settings, "spread", is_label, "node.labels.zone")?,
            reserve_cpu,
        })
    }
}

fn texts(
    settings: &Map<String, Value>,
    key: &str,
    good: fn(&str) -> bool,
    example: &str,
) -> Result<Vec<String>, String> {
    let Some(value) = settings.get(key) else { return Ok(Vec::new()) };
    let list = value.as_array().filter(|list| list.len() <= MOST);
    let list = list.ok_or_else(|| format!("engine.{key} is not an array of up to {MOST} texts"))?;
    let text = |value: &Value| {
        let text = value.as_str().filter(|text| text.len() <= LONGEST && good(text));
        text.map(str::to_owned)
            .ok_or_else(|| format!("engine.{key}: {value} is not like {example}"))
    };
    list.iter().map(text).collect()
}

/// `SUBJECT==VALUE` or `SUBJECT!=VALUE`.
fn is_constraint(text: &str) -> bool {
    let parts = text.split_once("==").or_else(|| text.split_once("!="));
    parts.is_some_and(|(subject, value)| is_subject(subject.trim()) && is_plain(value.trim()))
}

fn is_subject(text: &str) -> bool {
    SUBJECTS.iter().any(|subject| match subject.ends_with('.') {
        true => text.strip_prefix(subject).is_some_and(is_plain),
        false => text == *subject,
    })
}

/// A label of nodes or of engines.
fn is_label(text: &str) -> bool {
    text.contains(".labels.") && is_subject(text)
}

fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    !text.is_empty() && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(settings: &Value) -> Result<Placement, String> {
        Placement::parse(settings.as_object().unwrap())
    }

    #[test]
    fn placement_is_read() {
        assert_eq!(parse(&json!({})), Ok(Placement::default()));
        let constraints = ["node.labels.disk==ssd", "node.role != manager"];
        let all = json!({"constraints": constraints, "spread": ["node.labels.zone"],
            "reserveCpu": true});
        let expected = Placement {
            constraints: constraints.map(str::to_owned).into(),
            spread: vec!["node.labels.zone".to_owned()],
            reserve_cpu: true,
        };
        assert_eq!(parse(&all), Ok(expected));
    }

    #[test]
    fn a_mistake_is_named_with_what_is_allowed() {
        let bad = |settings: Value, said: &str| {
            let error = parse(&settings).unwrap_err();
            assert!(error.contains(said), "{settings}: {error}");
        };
        bad(json!({"constraint": []}), "did you mean constraints?");
        bad(json!({"constraints": "node.role==worker"}), "not an array of up to 16 texts");
        bad(json!({"constraints": vec!["node.role==worker"; 17]}), "up to 16");
        bad(json!({"constraints": ["role==worker"]}), "is not like node.labels.disk==ssd");
        bad(json!({"constraints": ["node.labels.==x"]}), "is not like");
        bad(json!({"constraints": ["node.role=worker"]}), "is not like");
        bad(json!({"constraints": [format!("node.id=={}", "x".repeat(300))]}), "is not like");
        bad(json!({"spread": ["node.role"]}), "is not like node.labels.zone");
        bad(json!({"reserveCpu": 1}), "true or false");
    }
}

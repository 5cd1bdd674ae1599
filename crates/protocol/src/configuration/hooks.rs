//! `hooks`: commands and calls at named points of a deployment.

use super::{HttpCall, MAX_CHECK, MAX_COMMAND_BYTES};
use crate::document::{Mistake, Reader};
use kiln_names::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The points, as they stand in the file.
const POINTS: &[&str] = &["beforeCreate", "beforeShift", "afterShift", "afterFinish"];
const HOOK: &[&str] = &["command", "http", "deadline"];
/// The most words of a command.
const MAX_WORDS: usize = 256;
/// How long a hook may take where nothing is said.
const DEADLINE: Span = Span::seconds(300);

/// The hooks of an application, by where they run.
pub type Hooks = BTreeMap<HookPoint, Hook>;

/// Where in a deployment a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HookPoint {
    /// Before any new instance starts.
    BeforeCreate,
    /// When all new instances are healthy, before any traffic moves.
    BeforeShift,
    /// When the new release has all the traffic, before it is watched.
    AfterShift,
    /// When the deployment has done everything else: it stands, whatever becomes of the hook.
    AfterFinish,
}

/// What is done at a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// What it is.
    #[serde(flatten)]
    pub work: HookWork,
    /// How long it may take.
    pub deadline: Span,
}

/// What a hook does; each under its own key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HookWork {
    /// A command in the new image: the program and its arguments.
    Command(Vec<String>),
    /// A call over HTTP, which the server makes.
    Http(HttpCall),
}

impl HookPoint {
    /// As it stands in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BeforeCreate => "beforeCreate",
            Self::BeforeShift => "beforeShift",
            Self::AfterShift => "afterShift",
            Self::AfterFinish => "afterFinish",
        }
    }
}

impl std::fmt::Display for HookPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

pub(super) fn hooks(reader: &Reader<'_>) -> Result<Hooks, Mistake> {
    use HookPoint::{AfterFinish, AfterShift, BeforeCreate, BeforeShift};
    let fields = reader.fields(POINTS)?;
    let mut hooks = Hooks::new();
    for point in [BeforeCreate, BeforeShift, AfterShift, AfterFinish] {
        if let Some(found) = fields.read(point.as_str(), hook)? {
            hooks.insert(point, found);
        }
    }
    Ok(hooks)
}

fn hook(reader: &Reader<'_>) -> Result<Hook, Mistake> {
    let fields = reader.fields(HOOK)?;
    let work = match (fields.get("command"), fields.get("http")) {
        (Some(list), None) => HookWork::Command(command(&list)?),
        (None, Some(call)) => HookWork::Http(super::http::call(&call)?),
        (Some(_), Some(http)) => {
            return Err(http.refuse("a hook is a `command` or a call by `http`, not both"));
        }
        (None, None) => return Err(reader.refuse("a hook has a `command`, or a call by `http`")),
    };
    let deadline = fields.read("deadline", |span| span.span(Span::seconds(1)..=MAX_CHECK))?;
    Ok(Hook { work, deadline: deadline.unwrap_or(DEADLINE) })
}

fn command(list: &Reader<'_>) -> Result<Vec<String>, Mistake> {
    let command = list.each("words", MAX_WORDS, |word| {
        let text = word.text()?;
        match text.contains('\0') {
            true => Err(word.refuse("no word of a command holds a zero byte")),
            false => Ok(text.to_owned()),
        }
    })?;
    if command.first().is_none_or(String::is_empty) {
        return Err(list.refuse(r#"a command begins with a program: ["/srv/migrate", "--all"]"#));
    }
    if command.iter().map(String::len).sum::<usize>() > MAX_COMMAND_BYTES {
        return Err(list.refuse(format!("a command has at most {MAX_COMMAND_BYTES} B")));
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::DeploymentParams;

    fn hooks(text: &str) -> Result<Hooks, String> {
        let params = DeploymentParams::parse(&format!("{{\"hooks\": {text}}}"));
        params.map(|params| params.settings.hooks).map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn a_hook_is_a_command_with_a_deadline() {
        let hooks = hooks(
            r#"{"beforeShift": {"command": ["/srv/migrate", "--all"]},
            "afterFinish": {"command": ["/bin/tell"], "deadline": "30s"}}"#,
        );
        let hooks = hooks.unwrap();
        let shift = &hooks[&HookPoint::BeforeShift];
        let command = ["/srv/migrate", "--all"].map(str::to_owned).to_vec();
        assert_eq!(shift.work, HookWork::Command(command));
        assert_eq!(shift.deadline, Span::seconds(300));
        assert_eq!(hooks[&HookPoint::AfterFinish].deadline, Span::seconds(30));
        assert_eq!(hooks.len(), 2);
    }

    #[test]
    fn a_hook_is_kept_as_it_stands_in_the_file() {
        for text in [
            r#"{"command":["/srv/migrate"],"deadline":"5m"}"#,
            r#"{"http":{"url":"https://cdn.example/","method":"POST"},"deadline":"30s"}"#,
        ] {
            let hook: Hook = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&hook).unwrap(), text);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, told) in [
            (r#"{"beforeShfit": {}}"#, "did you mean `beforeShift`?"),
            (r#"{"beforeShift": {"command": []}}"#, "a command begins with a program"),
            (r#"{"beforeShift": {"command": [""]}}"#, "a command begins with a program"),
            (r#"{"beforeShift": {"command": "migrate"}}"#, "an array is wanted"),
            (r#"{"beforeShift": {}}"#, "a `command`, or a call by `http`"),
            (
                r#"{"beforeShift": {"command": ["a"], "http": {"url": "http://a/"}}}"#,
                "a `command` or a call by `http`, not both",
            ),
            (r#"{"beforeShift": {"command": ["a"], "deadline": "0s"}}"#, "0s"),
            (r#"{"beforeShift": {"command": ["a"], "deadline": "2h"}}"#, "2h"),
        ] {
            let mistake = hooks(text).unwrap_err();
            assert!(mistake.contains(told), "{text}: {mistake}");
        }
    }
}

//! Checks that look at an instance from inside: a command of its own, or the age of a file.

use super::MAX_CHECK;
use super::params::{CheckChoices, Way};
use crate::document::{Fields, Mistake, Reader};
use crate::recipe::{AbsolutePath, MAX_ARGUMENT_BYTES, MAX_ARGUMENTS};
use kiln_names::Span;
use serde::{Deserialize, Serialize};

/// The least from one look to the next: each is a process of its own.
pub(super) const LEAST_INTERVAL: Span = Span::millis(100);
/// How old a heartbeat may be where nothing is said.
const MAX_AGE: Span = Span::seconds(30);

/// A check that is made inside an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InsideCheck {
    /// What is looked at.
    #[serde(flatten)]
    pub look: Look,
    /// From one time to the next, once it has passed.
    pub interval: Span,
    /// How long one look may take.
    pub timeout: Span,
    /// After how many failures in a row an instance counts as unhealthy.
    pub unhealthy_threshold: u32,
}

/// What is looked at inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum Look {
    /// A program that ends with 0 when all is well.
    Command {
        /// The program and its arguments.
        command: Vec<String>,
    },
    /// A file that the process touches for as long as all is well.
    Heartbeat {
        /// The file.
        file: AbsolutePath,
        /// How old it may be.
        max_age: Span,
    },
}

/// The keys of a look inside, if the check is one.
pub(super) fn look(kind: &str, fields: &Fields<'_>) -> Result<Option<Look>, Mistake> {
    match kind {
        "command" => {
            let list = fields.require("command")?;
            let word = |item: &Reader<'_>| item.argument(MAX_ARGUMENT_BYTES);
            let command = list.each("words in one command", MAX_ARGUMENTS, word)?;
            match command.first() {
                Some(program) if program.starts_with('/') => Ok(Some(Look::Command { command })),
                _ => Err(list.refuse(
                    r#"a program is wanted by its whole path: ["/usr/bin/redis-cli", "ping"]"#,
                )),
            }
        }
        "heartbeat" => {
            let file = fields.require("file")?.parse()?;
            let age = |span: &Reader<'_>| span.span(Span::seconds(1)..=MAX_CHECK);
            let max_age = fields.read("maxAge", age)?.unwrap_or(MAX_AGE);
            Ok(Some(Look::Heartbeat { file, max_age }))
        }
        _ => Ok(None),
    }
}

/// The check from inside that was chosen for life, if one was.
pub(super) fn resolved(choices: &CheckChoices, health: &super::HealthCheck) -> Option<InsideCheck> {
    let Some(Way::Inside(look)) = &choices.way else { return None };
    Some(InsideCheck {
        look: look.clone(),
        interval: health.interval,
        timeout: health.timeout,
        unhealthy_threshold: health.unhealthy_threshold,
    })
}

impl std::fmt::Display for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Command { command } => f.write_str(&command.join(" ")),
            Self::Heartbeat { file, .. } => write!(f, "heartbeat {file}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::{CheckKind, DeploymentParams, ProcessParams};

    fn read(text: &str) -> Result<ProcessParams, String> {
        let params = DeploymentParams::parse(text).map_err(|mistake| mistake.to_string())?;
        let (app, env) = ("queue".parse().unwrap(), "prod".parse().unwrap());
        Ok(params.resolve(&app, &env, &"worker".parse().unwrap(), true))
    }

    #[test]
    fn a_check_from_inside_is_a_command_or_a_heartbeat() {
        let command = read(
            r#"{"healthCheck": {"type": "command", "command": ["/srv/check", "-q"], "interval": "5s"},
                "startupCheck": {"timeout": "2m"}}"#,
        );
        let command = command.unwrap();
        let check = command.inside_check.unwrap();
        assert_eq!(check.look.to_string(), "/srv/check -q");
        assert_eq!(check.interval, Span::seconds(5));
        assert_eq!(command.startup_check.timeout, Span::seconds(120));
        assert_eq!(command.health_check.kind, CheckKind::Tcp, "for the router it accepts");
        let beat = read(r#"{"healthCheck": {"type": "heartbeat", "file": "/tmp/alive"}}"#).unwrap();
        let look = beat.inside_check.unwrap().look;
        let file = "/tmp/alive".parse().unwrap();
        assert_eq!(look, Look::Heartbeat { file, max_age: Span::seconds(30) });
    }

    #[test]
    fn it_reads_back_as_it_was_written() {
        let beat = read(r#"{"healthCheck": {"type": "heartbeat", "file": "/tmp/alive"}}"#).unwrap();
        let text = serde_json::to_string(&beat).unwrap();
        assert!(
            text.contains(r#""type":"heartbeat","file":"/tmp/alive","maxAge":"30s""#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<ProcessParams>(&text).unwrap(), beat);
    }

    #[test]
    fn mistakes_are_named() {
        for (check, told) in [
            (r#"{"type": "command"}"#, "command"),
            (r#"{"type": "command", "command": []}"#, "whole path"),
            (r#"{"type": "command", "command": ["check"]}"#, "whole path"),
            (r#"{"type": "command", "command": ["/c"], "path": "/"}"#, "no `path`"),
            (r#"{"type": "command", "command": ["/c"], "maxAge": "1s"}"#, "no `maxAge`"),
            (r#"{"type": "heartbeat"}"#, "file"),
            (r#"{"type": "heartbeat", "file": "alive"}"#, "absolute path"),
            (r#"{"type": "heartbeat", "file": "/a", "maxAge": "0s"}"#, "0s"),
            (r#"{"type": "tcp", "file": "/a"}"#, "no `file`"),
            (r#"{"path": "/", "command": ["/c"]}"#, "no `command`"),
            (r#"{"type": "script"}"#, "neither"),
            (r#"{"type": "command", "command": ["/c"], "interval": "99ms"}"#, "99ms"),
        ] {
            let mistake = read(&format!(r#"{{"healthCheck": {check}}}"#)).unwrap_err();
            assert!(mistake.contains(told), "{check}: {mistake}");
        }
        let start = r#"{"startupCheck": {"type": "command", "command": ["/c"]}}"#;
        let mistake = read(start).unwrap_err();
        assert!(mistake.contains("unknown key `command`"), "{mistake}");
    }
}

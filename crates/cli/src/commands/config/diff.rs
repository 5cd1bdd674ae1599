//! `kiln config diff`.

use crate::CliError;
use crate::commands::Target;
use crate::session::Session;
use crate::words::clean;
use kiln_protocol::Exit;
use kiln_protocol::revision::{Change, Comparison};
use serde_json::Value;

/// Show how two commits of a configuration differ, key by key
///
/// A commit is HEAD, HEAD~n, or its id, whole or abbreviated.
///
/// Example:
///
///   kiln config diff hello prod
///   kiln config diff hello prod HEAD~3
///   kiln config diff hello prod 1a2b3c4 HEAD~1
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Diff {
    #[command(flatten)]
    target: Target,
    /// The commit to compare with; the one before the newest unless given
    from: Option<String>,
    /// The commit to compare; the newest unless given
    to: Option<String>,
}

impl Diff {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        let (from, to) = (self.from.as_deref(), self.to.as_deref());
        let comparison = session.client.config_diff(app, env, from, to).await?;
        session.output.data(&comparison, words)?;
        Ok(Exit::Done)
    }
}

/// Each file once, with its changes beneath it.
fn words(comparison: &Comparison) -> String {
    let mut text = format!("from {}\nto   {}\n", comparison.from, comparison.to);
    let mut file = "";
    for change in &comparison.changes {
        if change.file != file {
            file = &change.file;
            text.push_str(&format!("\n{}\n", clean(file)));
        }
        text.push_str(&format!("  {}\n", line(change)));
    }
    if comparison.changes.is_empty() {
        text.push_str("\nNothing differs.\n");
    }
    text
}

/// As `kiln plan` shows a difference.
fn line(Change { key, old, new, .. }: &Change) -> String {
    let key = if key.is_empty() { "all of it".to_owned() } else { clean(key) };
    let shown = |value: &Value| clean(&value.to_string());
    match (old, new) {
        (Some(old), Some(new)) => format!("{key}: {} -> {}", shown(old), shown(new)),
        (None, Some(new)) => format!("{key}: {} (new)", shown(new)),
        (Some(old), None) => format!("{key}: {} (gone)", shown(old)),
        (None, None) => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_names::{AppName, CommitId, EnvName};
    use serde_json::json;

    fn comparison(changes: Vec<Change>) -> Comparison {
        let commit = |digit: &str| CommitId::parse(&digit.repeat(40)).unwrap();
        let (app, env) = (AppName::parse("hello").unwrap(), EnvName::parse("prod").unwrap());
        Comparison { app, env, from: commit("a"), to: commit("b"), changes }
    }

    fn change(file: &str, key: &str, old: Option<Value>, new: Option<Value>) -> Change {
        Change { file: file.to_owned(), key: key.to_owned(), old, new }
    }

    #[test]
    fn changes_stand_beneath_their_file() {
        let text = words(&comparison(vec![
            change("a.json", "min", Some(json!(2)), Some(json!(3))),
            change("a.json", "db.url", None, Some(json!("x\u{1b}"))),
            change("b.json", "[0]", Some(json!("true")), None),
            change("c.json", "", Some(json!("{oops")), Some(json!({}))),
        ]));
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let expected = format!(
            "from {a}\nto   {b}\n\na.json\n  min: 2 -> 3\n  db.url: \"x\\u001b\" (new)\n\n\
             b.json\n  [0]: \"true\" (gone)\n\nc.json\n  all of it: \"{{oops\" -> {{}}\n"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn no_difference_is_said() {
        assert!(words(&comparison(Vec::new())).ends_with("\nNothing differs.\n"));
    }
}

//! How a command fails: what happened, what to do about it, the exit code.

use crate::output::Form;
use kiln_client::ClientError;
use kiln_protocol::{Code, Exit, Problem};
use std::io::Write as _;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// It says so itself.
    #[error("{message}")]
    Failed {
        /// What happened.
        message: String,
        /// More about it, line by line.
        details: Vec<String>,
        /// What to do about it.
        hint: Option<String>,
        /// The exit code.
        exit: Exit,
    },
    /// The server says so, or is not there.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Whoever read the output has seen enough.
    #[error("the output is closed")]
    Closed,
    /// A person pressed Ctrl-C; what to say is said.
    #[error("interrupted")]
    Interrupted,
}

/// What shells report for a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

impl CliError {
    /// A failure with an exit code.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), details: Vec::new(), hint: None, exit }
    }

    /// Something that cannot be; nothing the person could have done differently.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Exit::Internal, message)
    }

    /// Something given is not valid; nothing changed.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Exit::Invalid, message)
    }

    /// A file or directory that cannot be read.
    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        let exit = match error.kind() {
            std::io::ErrorKind::NotFound => Exit::NotFound,
            std::io::ErrorKind::PermissionDenied => Exit::NotAllowed,
            _ => Exit::Internal,
        };
        Self::new(exit, format!("{}: {error}", path.display()))
    }

    /// The same with advice.
    pub(crate) fn hint(mut self, advice: impl Into<String>) -> Self {
        if let Self::Failed { hint, .. } = &mut self {
            *hint = Some(advice.into());
        }
        self
    }

    /// The same with more lines.
    pub(crate) fn details(mut self, lines: Vec<String>) -> Self {
        if let Self::Failed { details, .. } = &mut self {
            *details = lines;
        }
        self
    }

    /// Says it on standard error and gives the exit code.
    pub(crate) fn report(&self, form: Form) -> ExitCode {
        let exit = match self {
            Self::Failed { exit, .. } => exit.code(),
            Self::Client(error) => error.exit().code(),
            Self::Closed => return ExitCode::SUCCESS,
            Self::Interrupted => return INTERRUPTED.into(),
        };
        // Nobody is left to tell that standard error is closed.
        let text = match form {
            Form::Text => self.text(),
            Form::Json => self.document(),
        };
        std::io::stderr().write_all(text.as_bytes()).ok();
        exit.into()
    }

    /// The problem document on one line: the server's own, or one like it.
    fn document(&self) -> String {
        let problem = match self {
            Self::Client(ClientError::Problem(problem)) => (**problem).clone(),
            Self::Client(error) => {
                let problem = Problem::new(code(error.exit()), chain(error));
                Problem { hint: error.hint(), ..problem }
            }
            Self::Failed { message, details, hint, exit } => {
                let lines: Vec<&str> =
                    [message].into_iter().chain(details).map(String::as_str).collect();
                let problem = Problem::new(code(*exit), lines.join("\n"));
                Problem { hint: hint.clone(), ..problem }
            }
            Self::Closed | Self::Interrupted => Problem::new(Code::Internal, self.to_string()),
        };
        serde_json::to_string(&problem).expect("the protocol's types are JSON") + "\n"
    }

    /// The text for people: the error with its causes, its details, the advice.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("error: {}\n", sentence(&chain(self)));
        if let Self::Failed { details, .. } = self {
            for line in details {
                text.push_str(&format!("  {line}\n"));
            }
        }
        let hint = match self {
            Self::Failed { hint, .. } => hint.clone(),
            Self::Client(error) => error.hint(),
            Self::Closed | Self::Interrupted => None,
        };
        if let Some(hint) = hint {
            text.push_str(&format!("hint: {hint}\n"));
        }
        text
    }
}

impl From<Problem> for CliError {
    fn from(problem: Problem) -> Self {
        ClientError::from(problem).into()
    }
}

/// The code that stands for an exit code when no server has given one.
const fn code(exit: Exit) -> Code {
    match exit {
        Exit::Usage => Code::BadRequest,
        Exit::Invalid => Code::Invalid,
        Exit::Conflict => Code::InUse,
        Exit::NotFound => Code::NotFound,
        Exit::NotAllowed => Code::Forbidden,
        Exit::Unreachable => Code::Unavailable,
        Exit::Done | Exit::Internal | Exit::Undone | Exit::Stuck => Code::Internal,
    }
}

/// An error and its causes, outermost first.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Text with a period, unless it ends with something that would not bear one.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '!', '?', ':']) { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_sentence_with_its_causes_and_advice() {
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        let endpoint = kiln_client::Endpoint::in_data("/x".as_ref());
        let error = CliError::from(ClientError::Unreachable { endpoint, source });
        let text = error.text();
        assert!(text.starts_with("error: no Kiln answers at /x/kiln.sock: "), "{text}");
        assert!(text.ends_with("hint: start it with: kiln up --data /x\n"), "{text}");
    }

    #[test]
    fn for_programs_an_error_is_a_problem_document_on_one_line() {
        let error = CliError::invalid("it is bad").details(vec!["| 1".to_owned()]).hint("mend it.");
        let document = error.document();
        assert_eq!(document.lines().count(), 1);
        let problem: Problem = serde_json::from_str(&document).unwrap();
        assert_eq!((problem.code, problem.detail.as_str()), (Code::Invalid, "it is bad\n| 1"));
        assert_eq!(problem.hint.as_deref(), Some("mend it."));
        let known = Problem::new(Code::AppNotFound, "no application hello");
        let document = CliError::from(known.clone()).document();
        assert_eq!(serde_json::from_str::<Problem>(&document).unwrap(), known);
    }

    #[test]
    fn details_stand_between_the_error_and_the_advice() {
        let error = CliError::invalid("it is bad").details(vec!["| 1".to_owned()]).hint("mend it.");
        assert_eq!(error.text(), "error: it is bad.\n  | 1\nhint: mend it.\n");
    }
}

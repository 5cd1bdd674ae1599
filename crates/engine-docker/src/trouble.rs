//! Why an engine did not do what it was asked.

use bollard::errors::Error;
use kiln_engine::EngineError;

/// The most of what an engine says that is repeated.
const MOST: usize = 500;

/// What went wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing answered, or not in time: what happened is not known.
    Down(String),
    /// There is no such thing.
    Absent(String),
    /// The name is taken, or the state is another.
    Conflict(String),
    /// The engine is there and cannot do it now.
    Unable(String),
    /// The engine says no.
    Refused(String),
}

impl Trouble {
    /// What happened, for people.
    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Down(words)
            | Self::Absent(words)
            | Self::Conflict(words)
            | Self::Unable(words)
            | Self::Refused(words) => words,
        }
    }

    pub(crate) const fn is_down(&self) -> bool {
        matches!(self, Self::Down(_))
    }

    pub(crate) const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent(_))
    }

    /// What an engine said with a status.
    fn answered(status: u16, message: &str) -> Self {
        let words = shortened(message);
        match status {
            404 => Self::Absent(words),
            409 => Self::Conflict(words),
            500..=599 => Self::Unable(words),
            _ => Self::Refused(words),
        }
    }
}

impl From<Trouble> for EngineError {
    fn from(trouble: Trouble) -> Self {
        let words = trouble.words().to_owned();
        match trouble {
            Trouble::Down(_) | Trouble::Unable(_) | Trouble::Conflict(_) => Self::retry(words),
            Trouble::Absent(_) => Self::not_found(words),
            Trouble::Refused(_) => Self::permanent(words),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match &error {
            Error::DockerResponseServerError { status_code, message } => {
                Self::answered(*status_code, message)
            }
            Error::DockerStreamError { error } => Self::Unable(shortened(error)),
            Error::SocketNotFoundError(_) => Self::Down("there is no such socket".to_owned()),
            Error::RequestTimeoutError => Self::Down("it took too long".to_owned()),
            Error::CertPathError { path } => {
                Self::Down(format!("{} cannot be read", path.display()))
            }
            Error::CertParseError { path } => {
                Self::Down(format!("{} holds no certificate or key", path.display()))
            }
            Error::JsonDataError { message, .. } => {
                Self::Unable(format!("it said what is not understood: {}", shortened(message)))
            }
            _ => Self::Down(of_certificates(root(&error))),
        }
    }
}

/// The innermost cause says what happened; the ones around it say that something did.
fn root(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let words = causes.last().map(ToString::to_string).unwrap_or_default();
    let words = shortened(words.split(" (os error").next().unwrap_or(&words));
    let mut letters = words.chars();
    letters.next().map_or(words.clone(), |first| first.to_lowercase().chain(letters).collect())
}

/// What TLS says, by the settings that it is about.
fn of_certificates(words: String) -> String {
    let has = |text: &str| words.contains(text);
    let plain = if has("fatal alert") && (has("ertificate") || has("UnknownCA")) {
        "it refuses tlsCert: that has expired, or is signed by another authority than the engine's"
    } else if has("invalid peer certificate: Expired") {
        "its certificate has expired"
    } else if has("UnknownIssuer") || has("BadSignature") {
        "its certificate is not signed by tlsCa"
    } else if has("not valid for name") || has("NotValidForName") {
        "its certificate is not for this name"
    } else {
        return words;
    };
    format!("{plain} ({words})")
}

/// One line of bounded length, whatever an engine says.
pub(crate) fn shortened(message: &str) -> String {
    let line: String =
        message.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_answers_is_sorted_by_its_status() {
        let trouble = |status_code| {
            let message = "no\nsuch\u{7} thing".to_owned();
            Trouble::from(Error::DockerResponseServerError { status_code, message })
        };
        let words = || "no such  thing".to_owned();
        assert_eq!(trouble(404), Trouble::Absent(words()));
        assert_eq!(trouble(409), Trouble::Conflict(words()));
        assert_eq!(trouble(400), Trouble::Refused(words()));
        assert_eq!(trouble(503), Trouble::Unable(words()));
    }

    #[test]
    fn long_answers_are_cut_between_characters() {
        assert_eq!(shortened(&"ä".repeat(600)), format!("{}…", "ä".repeat(500)));
    }

    #[test]
    fn the_innermost_cause_is_told() {
        let err = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(Trouble::from(Error::from(err)), Trouble::Down("connection refused".to_owned()));
    }
}

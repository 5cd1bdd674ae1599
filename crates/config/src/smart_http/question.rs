//! What git can be asked, and how CGI says it. (RFC 3875 §4.1; git-http-backend(1))

use kiln_names::{AppName, EnvName};
use std::ffi::OsString;
use std::path::Path;

/// A question of git's, about the repository of an application in an environment.
#[derive(Debug, Clone)]
pub struct Question {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// What is asked.
    pub ask: Ask,
    /// Who asks; not empty.
    pub who: String,
    /// How the body is written.
    pub encoding: Encoding,
    /// The protocol's version that the client wishes for.
    pub protocol: Option<Protocol>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The references, before an exchange.
    References(Pack),
    /// The exchange itself.
    Exchange(Pack),
}

/// Which way objects go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pack {
    /// To the one who asks: clone and fetch.
    Upload,
    /// From the one who asks: push.
    Receive,
}

/// How the body of a question is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// Compressed; git undoes it.
    Gzip,
}

/// What stands in the header `Git-Protocol`: `version=2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol(String);

impl Protocol {
    /// The longest that is passed on; clients send nine bytes.
    const MAX: usize = 100;

    /// Reads the header's value; what is not of its form is as good as absent.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"=:.-".contains(&byte);
        let fits = (1..=Self::MAX).contains(&text.len()) && text.bytes().all(plain);
        fits.then(|| Self(text.to_owned()))
    }
}

impl Pack {
    /// As git names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "git-upload-pack",
            Self::Receive => "git-receive-pack",
        }
    }

    /// Reads git's name of it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Upload, Self::Receive].into_iter().find(|pack| pack.as_str() == text)
    }
}

impl Question {
    /// The environment that says it to `git http-backend`.
    pub(super) fn environment(&self, root: &Path) -> Vec<(&'static str, OsString)> {
        let Self { app, env, ask, .. } = self;
        let mut all: Vec<(&str, OsString)> = vec![
            ("GIT_PROJECT_ROOT", root.into()),
            ("GIT_HTTP_EXPORT_ALL", "1".into()),
            ("REMOTE_USER", self.who.clone().into()),
            ("REMOTE_ADDR", "kiln".into()),
        ];
        let repository = format!("/{app}-{env}.git");
        all.extend(match ask {
            Ask::References(pack) => [
                ("REQUEST_METHOD", "GET".into()),
                ("PATH_INFO", format!("{repository}/info/refs").into()),
                ("QUERY_STRING", format!("service={}", pack.as_str()).into()),
                ("CONTENT_TYPE", "".into()),
            ],
            Ask::Exchange(pack) => [
                ("REQUEST_METHOD", "POST".into()),
                ("PATH_INFO", format!("{repository}/{}", pack.as_str()).into()),
                ("QUERY_STRING", "".into()),
                ("CONTENT_TYPE", format!("application/x-{}-request", pack.as_str()).into()),
            ],
        });
        if self.encoding == Encoding::Gzip {
            all.push(("HTTP_CONTENT_ENCODING", "gzip".into()));
        }
        if let Some(Protocol(version)) = &self.protocol {
            all.push(("GIT_PROTOCOL", version.into()));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(ask: Ask, encoding: Encoding) -> Vec<String> {
        let app = AppName::parse("hello").unwrap();
        let env = EnvName::parse("prod").unwrap();
        let protocol = Protocol::parse("version=2");
        let question = Question { app, env, ask, who: "ada".to_owned(), encoding, protocol };
        let pairs = question.environment("/data/config".as_ref()).into_iter();
        pairs.map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn a_question_is_told_in_the_words_of_cgi() {
        assert_eq!(
            told(Ask::References(Pack::Receive), Encoding::Plain),
            [
                "GIT_PROJECT_ROOT=/data/config",
                "GIT_HTTP_EXPORT_ALL=1",
                "REMOTE_USER=ada",
                "REMOTE_ADDR=kiln",
                "REQUEST_METHOD=GET",
                "PATH_INFO=/hello-prod.git/info/refs",
                "QUERY_STRING=service=git-receive-pack",
                "CONTENT_TYPE=",
                "GIT_PROTOCOL=version=2",
            ]
        );
        let exchange = told(Ask::Exchange(Pack::Upload), Encoding::Gzip);
        for expected in [
            "REQUEST_METHOD=POST",
            "PATH_INFO=/hello-prod.git/git-upload-pack",
            "CONTENT_TYPE=application/x-git-upload-pack-request",
            "HTTP_CONTENT_ENCODING=gzip",
        ] {
            assert!(exchange.iter().any(|told| told == expected), "{expected}: {exchange:?}");
        }
    }

    #[test]
    fn a_protocol_that_could_be_more_than_a_version_is_not_passed_on() {
        assert_eq!(Protocol::parse("version=2"), Some(Protocol("version=2".to_owned())));
        for bad in ["", "version=2\nX=1", "a b", "é", &"x".repeat(101)] {
            assert_eq!(Protocol::parse(bad), None, "{bad}");
        }
    }
}

//! The connection to one engine: made when it is needed, and again after it broke.

use crate::settings::{EngineSettings, Host, Tls};
use crate::trouble::Trouble;
use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker};
use std::time::Duration;
use tokio::sync::Mutex;

/// The oldest API that has all that is used, that of Docker 20.10.
pub(crate) const OLDEST: (usize, usize) = (1, 41);
/// Versions to ask an engine in which ones it speaks: it answers none that it does not speak.
const HELLO: [usize; 4] = [41, 44, 48, 52];
/// How long a usual answer may take.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// How long something may take for which the engine has to work.
pub(crate) const WORK: Duration = Duration::from_secs(120);

/// What is asked is asked through this.
#[derive(Debug)]
pub(crate) struct Connection {
    host: Host,
    tls: Option<Tls>,
    docker: Mutex<Option<Docker>>,
}

impl Connection {
    pub(crate) fn new(settings: &EngineSettings) -> Self {
        let (host, tls) = (settings.host.clone(), settings.tls.clone());
        Self { host, tls, docker: Mutex::default() }
    }

    /// Asks one thing, and tells where it was asked if nobody answers.
    pub(crate) async fn ask<T, F>(
        &self,
        limit: Duration,
        request: impl FnOnce(Docker) -> F + Send,
    ) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Error>> + Send,
        T: Send,
    {
        let docker = self.docker().await?;
        let asked = tokio::time::timeout(limit, request(docker)).await;
        let answer = asked.unwrap_or(Err(Error::RequestTimeoutError)).map_err(Trouble::from);
        match answer {
            Err(Trouble::Down(words)) => {
                // What comes up again may speak another version.
                self.docker.lock().await.take();
                Err(self.down(&words))
            }
            answer => answer,
        }
    }

    /// The engine, with the newest API that both sides speak.
    pub(crate) async fn docker(&self) -> Result<Docker, Trouble> {
        let mut docker = self.docker.lock().await;
        if let Some(docker) = &*docker {
            return Ok(docker.clone());
        }
        let connected = tokio::time::timeout(SOON, self.connect()).await;
        let connected = connected.unwrap_or(Err(Trouble::Down("it took too long".to_owned())));
        let connected = connected.map_err(|trouble| match trouble {
            Trouble::Down(words) => self.down(&words),
            other => other,
        });
        Ok(docker.insert(connected?).clone())
    }

    fn down(&self, words: &str) -> Trouble {
        // The alert of TLS may come after the connection was given up.
        let closed =
            ["connection was not ready", "connection closed"].iter().any(|at| words.contains(at));
        let why = match closed && self.tls.is_some() {
            true => format!("it closes the connection, as one does that refuses tlsCert ({words})"),
            false => words.to_owned(),
        };
        Trouble::Down(format!("the Docker engine at {} does not answer: {why}", self.host))
    }

    async fn connect(&self) -> Result<Docker, Trouble> {
        let mut last = Trouble::Refused("it speaks no version of the API".to_owned());
        for minor_version in HELLO {
            let docker = self.open(&ClientVersion { major_version: 1, minor_version })?;
            match docker.version().await.map_err(Trouble::from) {
                Ok(version) => {
                    let api = version.api_version.unwrap_or_default();
                    return self.open(&spoken(&api)?);
                }
                Err(Trouble::Refused(words)) => last = Trouble::Refused(words),
                Err(trouble) => return Err(trouble),
            }
        }
        Err(last)
    }

    fn open(&self, version: &ClientVersion) -> Result<Docker, Trouble> {
        let seconds = WORK.as_secs();
        let host = self.host.to_string();
        let docker = match (&self.host, &self.tls) {
            (Host::Unix(_), _) => Docker::connect_with_unix(&host, seconds, version)?,
            (Host::Tcp { .. }, None) => Docker::connect_with_http(&host, seconds, version)?,
            (Host::Tcp { .. }, Some(tls)) => {
                // Bollard would go without what it cannot use.
                tls.readable().map_err(Trouble::Down)?;
                Docker::connect_with_ssl(&host, &tls.key, &tls.cert, &tls.ca, seconds, version)?
            }
        };
        Ok(docker)
    }
}

/// The version to speak with an engine whose newest is `newest`.
fn spoken(newest: &str) -> Result<ClientVersion, Trouble> {
    let version = newest.split_once('.').and_then(|(major, minor)| {
        Some((major.parse::<usize>().ok()?, minor.parse::<usize>().ok()?))
    });
    let ours = (API_DEFAULT_VERSION.major_version, API_DEFAULT_VERSION.minor_version);
    match version {
        Some(version) if version >= OLDEST => {
            let (major_version, minor_version) = version.min(ours);
            Ok(ClientVersion { major_version, minor_version })
        }
        _ => Err(Trouble::Refused(format!(
            "it speaks version {newest:?} of the API; Kiln needs {}.{}, which came with Docker 20.10",
            OLDEST.0, OLDEST.1
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_both_speak_is_spoken() {
        let check = |newest: &str, expected: Option<usize>| {
            let spoken = spoken(newest).ok().map(|version| version.minor_version);
            assert_eq!(spoken, expected, "{newest}");
        };
        check("1.41", Some(41));
        check("1.99", Some(API_DEFAULT_VERSION.minor_version));
        check("1.40", None);
        check("", None);
        check("one", None);
    }
}

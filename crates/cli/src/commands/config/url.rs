//! `kiln config url`.

use crate::CliError;
use crate::commands::Target;
use crate::session::Session;
use kiln_client::Endpoint;
use kiln_protocol::{Exit, paths};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// Print the URL at which git clones a configuration
///
/// A push is checked before it is taken. How git is given the API's token, which
/// is the password, is said on standard error; the token itself is not printed.
///
/// Example:
///
///   kiln config url hello prod
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Url {
    #[command(flatten)]
    target: Target,
}

impl Url {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, CliError> {
        let Target { app, env } = &self.target;
        // Asking for it makes the repository, or says what is missing.
        session.client.config(app, env, None).await?;
        let repository = format!("{app}-{env}.git");
        let path = paths::fill(paths::GIT, &[&repository]);
        let (server, token) = match session.client.endpoint() {
            Endpoint::Tcp { .. } => {
                (session.client.endpoint().to_string(), "$KILN_TOKEN".to_owned())
            }
            Endpoint::Unix(socket) => {
                let address = session.client.health().await?.address;
                let address = address.ok_or_else(|| {
                    CliError::new(
                        Exit::Invalid,
                        "this Kiln does not listen over TCP, where git asks",
                    )
                })?;
                (format!("http://{}", reachable(address)), token_of(socket))
            }
        };
        let url = format!("{server}{path}");
        let data = serde_json::json!({ "app": app, "env": env, "url": url });
        session.output.data(&data, |_| url.clone())?;
        session.output.say(&advice(&url, &token));
        Ok(Exit::Done)
    }
}

/// What listens everywhere is reached on this machine by the loopback interface.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// What a shell puts in the token's place, for the Kiln of a socket.
fn token_of(socket: &Path) -> String {
    let file = socket.with_file_name("admin.token");
    // Git asks from within the clone.
    let file = std::path::absolute(&file).unwrap_or(file);
    format!("$(cat \"{}\")", file.display())
}

/// The whole command: git asks the helper for the token each time, so that it stands neither in the
/// URL nor among a process's arguments nor in the clone.
fn advice(url: &str, token: &str) -> String {
    format!(
        "The password is the API's token, with any user name. To clone, and to push later:\n\
         git clone -c credential.helper='!f() {{ echo \"username=$USER\"; \
         echo \"password={token}\"; }}; f' {url}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_means_everywhere_is_shown_as_this_machine() {
        let check = |address: &str, expected: &str| {
            assert_eq!(reachable(address.parse().unwrap()).to_string(), expected);
        };
        check("0.0.0.0:7400", "127.0.0.1:7400");
        check("[::]:7400", "[::1]:7400");
        check("10.0.0.1:7400", "10.0.0.1:7400");
    }
}

//! What `kiln env check` looks at before an engine is used. What answers say is read apart from asking.

mod read;

pub(crate) use read::oci_architecture;

use crate::connection::{Connection, SOON};
use crate::settings::{EngineSettings, Mode};
use crate::trouble::Trouble;
use bollard::Docker;
use bollard::query_parameters::ListNodesOptions;
use kiln_protocol::catalog::{Finding, Verdict};

fn good(what: &str, found: impl Into<String>) -> Finding {
    Finding { what: what.to_owned(), verdict: Verdict::Good, found: found.into(), mend: None }
}

fn note(what: &str, found: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Note, mend: Some(mend.into()), ..good(what, found) }
}

fn bad(what: &str, found: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Bad, ..note(what, found, mend) }
}

/// Looks at everything that an engine needs; in the order in which it is to be mended.
pub async fn check(settings: &EngineSettings) -> Vec<Finding> {
    let connection = Connection::new(settings);
    let mut all = Vec::new();
    if let Err(trouble) = look(settings, &connection, &mut all).await {
        all.push(read::trouble(&trouble));
    }
    if let Some(registry) = &settings.registry {
        all.push(registry_answers(registry).await);
    }
    all
}

async fn look(
    settings: &EngineSettings,
    connection: &Connection,
    all: &mut Vec<Finding>,
) -> Result<(), Trouble> {
    let version =
        connection.ask(SOON, |docker: Docker| async move { docker.version().await }).await?;
    all.extend(read::version(&version, settings.mode));
    let info = connection.ask(SOON, |docker: Docker| async move { docker.info().await }).await?;
    all.extend(read::info(&info));
    match settings.mode {
        Mode::Single => all.extend(read::alone(&info)),
        Mode::Swarm => {
            let membership = read::membership(&info);
            let manages = membership.verdict != Verdict::Bad;
            all.push(membership);
            if manages {
                let list = |docker: Docker| async move {
                    docker.list_nodes(None::<ListNodesOptions>).await
                };
                let nodes = connection.ask(SOON, list).await?;
                all.extend(read::nodes(&nodes, settings.registry.is_some()));
            }
        }
    }
    Ok(())
}

/// Only whether somebody listens, and only as seen from here.
async fn registry_answers(registry: &str) -> Finding {
    let connected = tokio::time::timeout(SOON, tokio::net::TcpStream::connect(registry)).await;
    match connected {
        Ok(Ok(_)) => good("registry", format!("{registry} answers this machine")),
        Ok(Err(error)) => bad(
            "registry",
            format!("{registry}: {error}"),
            "set registry to HOST:PORT where this Kiln listens and the nodes reach it",
        ),
        Err(_) => bad(
            "registry",
            format!("{registry} does not answer"),
            "set registry to HOST:PORT where this Kiln listens and the nodes reach it",
        ),
    }
}

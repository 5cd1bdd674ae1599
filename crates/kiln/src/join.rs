//! A router on another machine: it comes to the server for its tables, and says how it does.
//!
//! ```text
//! server ◀── GET  /v1/routers/NAME/table    held until there is a later one ──┐
//!        ◀── PUT  /v1/routers/NAME/status   at every change, and now and then ┴─ this router
//! ```
//!
//! Both begin here: the server need not reach this machine, and the router's control stays a socket
//! of this machine that only its owner opens.

use anyhow::{Context, Result};
use kiln_client::{Client, Endpoint};
use kiln_names::{InstallId, RouterName};
use kiln_protocol::router::{RouterReport, TableNumber};
use kiln_router::{Control, Table};
use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

/// How long one question for a table stays open. A server that went away in silence is noticed
/// within this and [`ANSWER`].
const LONG_POLL: Duration = Duration::from_secs(10);
/// From one report to the next when nothing changes; the server counts on a few within its lease.
const REPORT: Duration = Duration::from_secs(4);
/// How long the server may take to answer, beyond what it was asked to wait.
const ANSWER: Duration = Duration::from_secs(5);
/// From one try to the next while the server, or this router, is away.
const RETRY: Duration = Duration::from_millis(250);

/// Whom a router joins, and as what.
#[derive(Debug)]
pub(crate) struct Join {
    name: RouterName,
    install: InstallId,
    client: Client,
    control: Control,
}

impl Join {
    /// # Errors
    /// When the address or the token cannot be used.
    pub(crate) fn new(
        url: &str,
        token: &Path,
        name: RouterName,
        install: InstallId,
        control: Control,
    ) -> Result<Self> {
        let endpoint = Endpoint::parse(url)?;
        let secret = std::fs::read_to_string(token)
            .with_context(|| format!("read the token in {}", token.display()))?;
        let client = Client::new(endpoint, Some(secret.trim()), Some(&format!("router {name}")))?;
        Ok(Self { name, install, client, control })
    }

    /// Follows the server for good. What does not work is told once, and tried again.
    pub(crate) async fn follow(&self) -> Infallible {
        tokio::join!(self.bring_tables(), self.report_changes()).0
    }

    async fn bring_tables(&self) -> Infallible {
        let mut said = String::new();
        loop {
            told("bring a table", self.bring_table().await, &mut said).await;
        }
    }

    async fn report_changes(&self) -> Infallible {
        let (mut after, mut said) = (None, String::new());
        loop {
            let reported = self.report(after).await;
            if after.is_none() && reported.is_ok() {
                tracing::info!(name = %self.name, server = %self.client.endpoint(), "joined");
            }
            // What could not be told is still to be told.
            after = reported.as_ref().ok().copied();
            told("report to the server", reported.map(drop), &mut said).await;
        }
    }

    /// Waits for a later table, and puts it in force.
    async fn bring_table(&self) -> Result<()> {
        let status = self.control.status(None, Duration::ZERO).await?;
        let has = TableNumber { epoch: status.epoch, version: status.version };
        let table = self.client.router_table::<Table>(&self.name, has, LONG_POLL);
        match within(LONG_POLL + ANSWER, table).await? {
            Some(table) => Ok(self.control.apply(&table).await?),
            None => Ok(()),
        }
    }

    /// Tells how this router does, once that has changed since `after`, or after a while.
    async fn report(&self, after: Option<u64>) -> Result<u64> {
        let status = self.control.status(after, REPORT).await?;
        let seq = status.seq;
        let report = RouterReport { install: self.install, status };
        within(ANSWER, self.client.report_router(&self.name, &report)).await?;
        Ok(seq)
    }
}

/// An answer in time: a connection whose other end went away in silence says nothing for minutes.
async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, kiln_client::ClientError>>,
) -> Result<T> {
    let answer = tokio::time::timeout(limit, answer).await;
    Ok(answer.context("the server does not answer")??)
}

/// Tells of a failure that is not the last one again, and waits before the next try.
async fn told(what: &str, done: Result<()>, said: &mut String) {
    let Err(error) = done else {
        said.clear();
        return;
    };
    let error = crate::chain::chain(&error);
    if *said != error {
        tracing::warn!("failed to {what}: {error}");
        *said = error;
    }
    tokio::time::sleep(RETRY).await;
}

//! Checks from inside, as the engine runs commands in containers.

use crate::connection::SOON;
use crate::inner::Inner;
use crate::trouble::Trouble;
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::{ExecConfig, ExecInspectResponse};
use futures_util::StreamExt as _;
use kiln_keeper::Looked;
use kiln_names::InstanceId;
use std::time::Duration;

/// How much of what a command says is kept: its last line is told.
const KEPT: usize = 4096;

/// Runs a command in an instance. The engine has no way to end one that hangs, so that no second one is
/// begun beside it.
pub(crate) async fn look(
    inner: &Inner,
    id: InstanceId,
    command: Vec<String>,
    limit: Duration,
) -> Looked {
    match tried(inner, id, command, limit).await {
        Ok(looked) => looked,
        Err(trouble) => Looked::Unknown(trouble.words().to_owned()),
    }
}

async fn tried(
    inner: &Inner,
    id: InstanceId,
    command: Vec<String>,
    limit: Duration,
) -> Result<Looked, Trouble> {
    if let Some(exec) = inner.hanging(id) {
        match state(inner, &exec).await {
            Ok(state) if state.running == Some(true) => {
                return Ok(Looked::Failed("the last one still runs".to_owned()));
            }
            // What the engine has forgotten has ended.
            Ok(_) | Err(Trouble::Absent(_)) => inner.note_hanging(id, None),
            Err(trouble) => return Err(trouble),
        }
    }
    let name = inner.owner.name(id);
    let config = ExecConfig {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(command),
        ..ExecConfig::default()
    };
    let create = |docker: Docker| async move { docker.create_exec(&name, config).await };
    let exec = inner.connection.ask(SOON, create).await?.id;
    let started = exec.clone();
    let start =
        |docker: Docker| async move { docker.start_exec(&started, None::<StartExecOptions>).await };
    let attached = inner.connection.ask(SOON, start).await?;
    let Ok(said) = tokio::time::timeout(limit, last_line(attached)).await else {
        inner.note_hanging(id, Some(exec));
        return Ok(Looked::Failed(format!("it did not end within {} ms", limit.as_millis())));
    };
    let code = state(inner, &exec).await?.exit_code;
    Ok(match code {
        Some(0) => Looked::Passed("exited with code 0".to_owned()),
        Some(code) => Looked::Failed(format!("exited with code {code}{said}")),
        // Its output broke off, and it may go on.
        None => {
            inner.note_hanging(id, Some(exec));
            Looked::Unknown("the engine does not say how it ended".to_owned())
        }
    })
}

async fn state(inner: &Inner, exec: &str) -> Result<ExecInspectResponse, Trouble> {
    let exec = exec.to_owned();
    let inspect = |docker: Docker| async move { docker.inspect_exec(&exec).await };
    inner.connection.ask(SOON, inspect).await
}

/// Reads to the end: `: ` and the last line, if there was one.
async fn last_line(attached: StartExecResults) -> String {
    let StartExecResults::Attached { mut output, .. } = attached else { return String::new() };
    let mut kept = Vec::new();
    while let Some(Ok(part)) = output.next().await {
        if let LogOutput::StdOut { message } | LogOutput::StdErr { message } = part {
            kept.extend_from_slice(&message);
            kept.drain(..kept.len().saturating_sub(KEPT));
        }
    }
    let text = String::from_utf8_lossy(&kept);
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    last.map(|line| format!(": {}", crate::trouble::shortened(line))).unwrap_or_default()
}

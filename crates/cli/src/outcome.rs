//! How a deployment ended, told to the person who asked for it.

use crate::CliError;
use crate::memory::advice;
use crate::output::Form;
use crate::session::Session;
use crate::words::{clean, seconds};
use kiln_protocol::Exit;
use kiln_protocol::deployment::{Deployment, DeploymentState};

/// Prints how a deployment ended and gives the exit code for it.
pub(crate) fn conclude(session: &Session, deployment: &Deployment) -> Result<Exit, CliError> {
    let exit = deployment.state.exit().unwrap_or(Exit::Done);
    if session.output.form == Form::Json {
        session.output.data(deployment, |_| String::new())?;
        return Ok(exit);
    }
    match exit {
        Exit::Done => {
            session.output.data(deployment, success)?;
            advise(session, deployment);
        }
        _ => return Err(failure(deployment, exit)),
    }
    Ok(exit)
}

/// Says which limits of memory are too wide or too narrow for what the deployment left active.
pub(crate) fn advise(session: &Session, deployment: &Deployment) {
    let Deployment { app, env, memory, .. } = deployment;
    advice(app, env, memory).iter().for_each(|line| session.output.say(line));
}

/// One line about a deployment that did what was asked.
fn success(deployment: &Deployment) -> String {
    let Deployment { app, env, verb, .. } = deployment;
    let took = deployment.ended.map(|ended| ended.since(deployment.started));
    let took = seconds(took.unwrap_or(0));
    match (&deployment.release, &deployment.version) {
        (Some(release), Some(version)) => {
            format!(
                "{app} {env}: {verb} done in {took}; {version} ({}) is active.",
                release.short()
            )
        }
        (Some(release), None) => {
            format!("{app} {env}: {verb} done in {took}; {} is active.", release.short())
        }
        (None, _) => format!("{app} {env}: {verb} done in {took}."),
    }
}

/// What a person needs to see of a deployment that did not do what was asked.
pub(crate) fn failure(deployment: &Deployment, exit: Exit) -> CliError {
    let Deployment { id, app, env, state, .. } = deployment;
    let reason = deployment.reason.as_deref().unwrap_or("no reason was given");
    let outcome = match state {
        DeploymentState::Invalid => "is invalid and changed nothing",
        DeploymentState::Undone => "failed and was undone",
        DeploymentState::Stuck => "is stuck",
        _ => "goes on",
    };
    let message = format!("deployment {id} of {app} in {env} {outcome}: {}", clean(reason));
    let error = CliError::new(exit, message).details(details(deployment));
    match hint(deployment) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn details(deployment: &Deployment) -> Vec<String> {
    let Some(failure) = &deployment.failure else { return Vec::new() };
    let mut lines = Vec::new();
    let told = deployment.reason.as_ref().is_some_and(|reason| reason.contains(&failure.reason));
    if !told {
        lines.push(format!("{}: {}", failure.action, clean(&failure.reason)));
    }
    if let Some(answer) = &failure.last_check {
        lines.push(format!("last check: {}", clean(answer)));
    }
    if let Some(exit) = &failure.exit {
        lines.push(format!("exit: {}", clean(exit)));
    }
    if let Some(instance) = failure.instance.filter(|_| !failure.log.is_empty()) {
        lines.push(format!("last lines of instance {instance}"));
    }
    lines.extend(failure.log.iter().map(|line| format!("| {}", clean(line))));
    lines
}

fn hint(deployment: &Deployment) -> Option<String> {
    let Deployment { id, app, env, .. } = deployment;
    deployment.hint.clone().or_else(|| match deployment.state {
        DeploymentState::Stuck => Some(format!("kiln retry {app} {env}, or kiln undo {app} {env}")),
        DeploymentState::Undone => Some(format!("kiln deployment {id}")),
        // A plan shows what deploying would do; the other verbs have none of their own.
        DeploymentState::Invalid if matches!(&*deployment.verb, "deploy" | "redeploy") => {
            Some(format!("mend it, then try: kiln plan {app} {env}"))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests;

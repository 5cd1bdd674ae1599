//! Runs: an image, here and now.

use super::images::find;
use crate::app::{App, Shared};
use crate::events::{Events, events};
use crate::refusal::Refusal;
use crate::request::{Body, Names};
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::stream::{self, Stream, StreamExt as _};
use kiln_deploy::RunAsk;
use kiln_engine::{EngineError, Run, RunEvent as Told, RunSpec, Runner, Source};
use kiln_names::{Digest, InstanceId, ProcessName};
use kiln_protocol::configuration::MilliCpu;
use kiln_protocol::run::{NewRun, RunEvent};
use kiln_protocol::{Code, paths};
use std::sync::Arc;

/// Runs an image, and tells what it writes. The run ends with whoever listens.
#[utoipa::path(post, path = paths::RUNS, tag = "runs",
    request_body = NewRun,
    responses((status = 200, body = RunEvent, content_type = "text/event-stream")))]
pub(crate) async fn run(State(kiln): Shared, Body(new): Body<NewRun>) -> Result<Events, Refusal> {
    let runner = runner(&kiln)?;
    let spec = spec(&kiln, new).await?;
    let (image, process) = (spec.image, spec.process.clone());
    let run = runner
        .run(spec)
        .await
        .map_err(|many| Refusal::of(Code::InUse, &many).hint("wait for one of them to end."))?;
    Ok(events(course(run, image, process).await?))
}

/// Sends a run its stop signal; asked a second time, kills it.
#[utoipa::path(post, path = paths::RUN_STOP, tag = "runs", responses((status = 204)))]
pub(crate) async fn stop(
    State(kiln): Shared,
    Names(run): Names<InstanceId>,
) -> Result<StatusCode, Refusal> {
    runner(&kiln)?.stop(run).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn runner(kiln: &App) -> Result<Arc<dyn Runner>, Refusal> {
    let none = || Refusal::new(Code::NotSupported, "this Kiln runs nothing on its own machine");
    kiln.runner.clone().ok_or_else(none)
}

async fn spec(kiln: &App, new: NewRun) -> Result<RunSpec, Refusal> {
    let NewRun { image, process, command, env, app, memory, milli_cpu } = new;
    let image = find::resolve(&mut *kiln.database.read().await?, &image).await?;
    let cpu = milli_cpu.map(MilliCpu);
    let ask = RunAsk { image, app, env, process, command, memory, cpu };
    Ok(kiln.orchestrator.run_spec(ask).await?)
}

/// The events of a run. What does not start is refused here.
async fn course(
    run: Run,
    image: Digest,
    process: ProcessName,
) -> Result<impl Stream<Item = Result<RunEvent, Refusal>> + Send, Refusal> {
    let Run { id, mut events } = run;
    let first = events.recv().await.unwrap_or_else(|| Err(EngineError::retry("it was lost")));
    let first = first.map_err(refused)?;
    let rest = stream::unfold(events, |mut events| async move {
        events.recv().await.map(|event| (event.map_err(refused), events))
    });
    let all = stream::once(std::future::ready(Ok(first))).chain(rest);
    Ok(all.map(move |told| Ok(shown(told?, id, image, &process))))
}

/// An image that cannot be run so is the request's mistake, not a plan's.
fn refused(error: EngineError) -> Refusal {
    let code = if error.kind == kiln_engine::ErrorKind::Permanent {
        Code::Invalid
    } else {
        Code::Unavailable
    };
    Refusal::new(code, error.message)
}

fn shown(told: Told, run: InstanceId, image: Digest, process: &ProcessName) -> RunEvent {
    match told {
        Told::Started { address } => {
            let (process, address) = (process.clone(), address.map(|it| it.to_string()));
            RunEvent::Started { run, image, process, address }
        }
        Told::Output { source, text, partial } => {
            let source = match source {
                Source::Stdout => "stdout",
                Source::Stderr => "stderr",
            };
            RunEvent::Output { source: source.to_owned(), text, partial }
        }
        Told::Ended { exit, dropped } => RunEvent::Ended {
            code: exit.code,
            signal: exit.signal,
            out_of_memory: exit.out_of_memory,
            cause: exit.cause,
            dropped,
        },
    }
}

//! How a deployment goes, in the protocol's words.

use super::describe;
use crate::app::App;
use crate::refusal::Refusal;
use futures_util::stream::{self, Stream, StreamExt as _};
use kiln_deploy::{Progress, ProgressEvent, ProgressStream};
use kiln_names::DeploymentId;
use kiln_protocol::Timestamp;
use kiln_protocol::deployment::{DeploymentEvent, Happening};
use std::sync::Arc;

/// The events, and when they end because the deployment rests, the whole of it.
pub(super) fn course(
    kiln: Arc<App>,
    id: DeploymentId,
    told: ProgressStream,
) -> impl Stream<Item = Result<DeploymentEvent, Refusal>> + Send {
    let end = stream::once(async move { ended(&kiln, id).await.transpose() });
    told.map(|event| Ok(shown(event))).chain(end.filter_map(std::future::ready))
}

/// The last event; none when the stream ended because the server stops.
async fn ended(kiln: &App, id: DeploymentId) -> Result<Option<DeploymentEvent>, Refusal> {
    let deployment = describe::deployment(kiln, id).await?;
    if deployment.state.exit().is_none() {
        return Ok(None);
    }
    let at = deployment.ended.unwrap_or(Timestamp(kiln.clock.now_ms()));
    let seq = deployment.seq;
    let what = Happening::Ended { deployment: Box::new(deployment) };
    Ok(Some(DeploymentEvent { seq, at, what }))
}

fn shown(event: ProgressEvent) -> DeploymentEvent {
    let ProgressEvent { seq, at_ms, what, .. } = event;
    // What is not journaled carries the place of what comes next; whoever asks for what comes after
    // it must not miss that.
    let seq = match what {
        Progress::ActionWaiting { .. } => seq.saturating_sub(1),
        _ => seq,
    };
    DeploymentEvent { seq, at: Timestamp(at_ms), what: happening(what) }
}

fn happening(what: Progress) -> Happening {
    match what {
        Progress::State { state, reason } => Happening::State { state, reason },
        Progress::Prepared { step, note } => Happening::Prepared { step, note },
        Progress::Sealed { release, actions, notes, .. } => {
            Happening::Sealed { release, actions, notes }
        }
        Progress::ActionStarted { action, phase, summary, place, of } => {
            let phase = phase.as_str().to_owned();
            Happening::ActionStarted { action, phase, summary, place, of }
        }
        Progress::ActionWaiting { action, note } => Happening::ActionWaiting { action, note },
        Progress::ActionDone { action, note, milliseconds } => {
            Happening::ActionDone { action, note, milliseconds }
        }
        Progress::ActionFailed { action, failure } => {
            Happening::ActionFailed { action, reason: failure.reason }
        }
        Progress::Command { verb, who } => Happening::Command { verb, user: who },
    }
}

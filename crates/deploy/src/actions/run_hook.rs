//! `run-hook`: a command of the configuration's, in the new image.

use super::{Act, Outcome, Scene, Touch};
use crate::ports::{HookCall, HookState, millis};
use kiln_engine::{EngineError, GroupSpec, RunSpec};
use kiln_names::Span;
use kiln_protocol::configuration::{Hook, HookPoint};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often the hook is looked at.
const EVERY: Duration = Duration::from_millis(50);
/// What is left to say that a hook did not end in time.
const TO_SAY_SO: Duration = Duration::from_secs(60);

/// Ensures that a hook has run to its end, and ended well. A server that dies takes the hook along;
/// the next one runs it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunHook {
    /// Where in the deployment.
    pub point: HookPoint,
    /// What, and for how long.
    pub hook: Hook,
    /// The new group whose image, configuration, limits and secrets it has.
    pub like: Box<GroupSpec>,
}

#[async_trait::async_trait]
impl Act for RunHook {
    fn touch(&self) -> Touch {
        Touch::Changes
    }

    fn summary(&self) -> String {
        let Hook { command, deadline } = &self.hook;
        format!("{}, at most {deadline}: {}", self.point, command.join(" "))
    }

    fn deadline(&self) -> Duration {
        self.hook.deadline.get() + TO_SAY_SO
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        let (deployment, point, begun_ms) = (scene.deployment, self.point, scene.since_ms);
        let call = HookCall { deployment, point, begun_ms };
        let over_ms = scene.since_ms.saturating_add(millis(self.hook.deadline.get()));
        if scene.now_ms >= over_ms {
            scene.hooks.stop(&call).await;
            let why = format!("it did not end within {}", self.hook.deadline);
            return Ok(self.failed(&why, Vec::new()));
        }
        match scene.hooks.look(&call, self.run_spec(scene)).await {
            HookState::Runs { last } => Ok(Outcome::RetryAfter {
                after: EVERY,
                waiting_for: last.unwrap_or_else(|| "it to end".to_owned()),
            }),
            HookState::Ended { well: true, cause, lines } => {
                Ok(Outcome::noted(lines.last().cloned().unwrap_or(cause)))
            }
            HookState::Ended { cause, lines, .. } => Ok(self.failed(&cause, lines)),
        }
    }
}

impl RunHook {
    /// What stands when everything else is done is not taken back for a hook.
    fn failed(&self, why: &str, lines: Vec<String>) -> Outcome {
        match self.point {
            HookPoint::AfterFinish => {
                let last = lines.last().map_or_else(String::new, |last| format!(": {last}"));
                Outcome::noted(format!("the hook failed, {why}{last}"))
            }
            _ => Outcome::failed_saying(format!("hook {}: {why}", self.point), lines),
        }
    }

    fn run_spec(&self, scene: &Scene<'_>) -> RunSpec {
        let GroupSpec { app, env, process, release, image, run, params, .. } = &*self.like;
        let mut run = run.clone();
        run.command.clone_from(&self.hook.command);
        run.port = None;
        run.stop.timeout = run.stop.timeout.min(Span::seconds(10));
        let variables = [
            ("KILN_HOOK", self.point.to_string()),
            ("KILN_DEPLOYMENT", scene.deployment.to_string()),
            ("KILN_RELEASE", release.to_string()),
        ];
        RunSpec {
            image: *image,
            app: Some(app.clone()),
            env: Some(env.clone()),
            process: process.clone(),
            run,
            cpu: params.cpu,
            memory: params.memory,
            pids: params.pids,
            network: params.network,
            user_data: self.like.user_data.clone(),
            variables: BTreeMap::from(variables.map(|(name, value)| (name.to_owned(), value))),
            secrets: self.like.secrets.clone(),
        }
    }
}

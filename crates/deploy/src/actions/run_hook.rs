//! `run-hook`: a command of the configuration's in the new image, or a call that it asks for.

use super::{Act, Outcome, Scene, Touch};
use crate::ports::{HookCall, HookState, HookTask, Notice, Token, millis};
use kiln_engine::{EngineError, GroupSpec, RunSpec};
use kiln_names::{ReleaseId, Span};
use kiln_protocol::configuration::{Hook, HookPoint, HookWork, HttpCall};
use serde::{Deserialize, Serialize};
use serde_json::json;
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
    /// The release that was active before, for a call to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<ReleaseId>,
}

#[async_trait::async_trait]
impl Act for RunHook {
    fn touch(&self) -> Touch {
        Touch::Changes
    }

    fn summary(&self) -> String {
        let what = match &self.hook.work {
            HookWork::Command(command) => command.join(" "),
            HookWork::Http(HttpCall { url, method, .. }) => format!("{method} {url}"),
        };
        format!("{}, at most {}: {what}", self.point, self.hook.deadline)
    }

    fn deadline(&self) -> Duration {
        self.hook.deadline.get() + TO_SAY_SO
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        let (deployment, point, begun_ms) = (scene.deployment, self.point, scene.since_ms);
        let call = HookCall { deployment, point, begun_ms };
        let over_ms = scene.since_ms.saturating_add(millis(self.hook.deadline.get()));
        if scene.now_ms >= over_ms {
            let lines = scene.hooks.stop(&call).await;
            let why = format!("it did not end within {}", self.hook.deadline);
            return Ok(self.failed(&why, lines));
        }
        match scene.hooks.look(&call, self.task(scene)).await {
            HookState::Runs { last } => Ok(Outcome::RetryAfter {
                after: EVERY,
                waiting_for: last.unwrap_or_else(|| "it to end".to_owned()),
            }),
            HookState::Ended { well: true, cause, lines } => {
                let last = lines.last().filter(|_| self.runs()).cloned();
                Ok(Outcome::noted(last.unwrap_or(cause)))
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

    fn task(&self, scene: &Scene<'_>) -> HookTask {
        match &self.hook.work {
            HookWork::Command(command) => HookTask::Run(Box::new(self.run_spec(scene, command))),
            HookWork::Http(call) => HookTask::Call(Box::new(self.notice(scene, call))),
        }
    }

    /// Whether it is a command, whose last line says more than how it ended.
    const fn runs(&self) -> bool {
        matches!(self.hook.work, HookWork::Command(_))
    }

    /// Nothing in it changes from one try to the next.
    fn notice(&self, scene: &Scene<'_>, call: &HttpCall) -> Notice {
        let GroupSpec { app, env, release, image, secrets, .. } = &*self.like;
        let id = format!("{}-{}-{}", scene.deployment, self.point, scene.since_ms);
        let token = call.secret.as_ref().and_then(|name| secrets.get_key_value(name));
        let token = token.map(|(name, version)| Token {
            app: app.clone(),
            env: env.clone(),
            name: name.clone(),
            version: *version,
        });
        let body = json!({
            "id": id,
            "deployment": scene.deployment,
            "point": self.point,
            "application": app,
            "environment": env,
            "release": release,
            "image": image,
            "previousRelease": self.previous,
        });
        Notice { call: call.clone(), token, id, body }
    }

    fn run_spec(&self, scene: &Scene<'_>, command: &[String]) -> RunSpec {
        let GroupSpec { app, env, process, release, image, run, params, .. } = &*self.like;
        let mut run = run.clone();
        command.clone_into(&mut run.command);
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

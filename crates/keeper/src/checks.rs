//! Checks that look at an instance from inside, which no router can: for as long as it lives, by the
//! same rules as the router's.

use crate::inner::Inner;
use crate::model::{Inside, Phase};
use crate::{Birth, Looked};
use kiln_init::{HEARTBEAT, PROGRAM};
use kiln_names::InstanceId;
use kiln_protocol::configuration::{InsideCheck, Look};
use kiln_router::{Health, Judge};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The pause after the first start-up check; each next one is half as long again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// What is supposed of an instance before the first look: one that has had its time to start, under
/// the server before this one, is well until it is seen not to be. So a server that comes back during
/// somebody else's outage takes nobody away.
pub(crate) fn begin(inner: &Inner, birth: &Birth, created_ms: u64) -> Option<Inside> {
    birth.spec.params.inside_check.as_ref()?;
    let startup = birth.spec.params.startup_check.timeout.get();
    let age = Duration::from_millis(inner.now_ms().saturating_sub(created_ms));
    let health = if age > startup { Health::Presumed } else { Health::Starting };
    Some(Inside { health, said: String::new() })
}

/// Checks an instance until it is drained or has ended.
pub(crate) async fn watch(inner: Arc<Inner>, birth: Birth, check: InsideCheck, health: Health) {
    let startup = birth.spec.params.startup_check.timeout.get();
    let mut judge = Judge::new(health);
    let (began, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        let looked = look(&inner, &birth, &check).await;
        let late = began.elapsed() >= startup;
        let (passed, said) = match looked {
            Looked::Passed(said) => (true, said),
            Looked::Failed(said) => (false, said),
            // That nobody could look is no news of the instance.
            Looked::Unknown(why) => {
                tracing::debug!(instance = %birth.id, why, "could not look into an instance");
                if !is_there(&inner, birth.id) {
                    return;
                }
                tokio::time::sleep(check.interval.get()).await;
                continue;
            }
        };
        let health = judge.after(passed, check.unhealthy_threshold, late);
        if !note(&inner, birth.id, Inside { health, said: format!("{} → {said}", check.look) }) {
            return;
        }
        if judge.is_starting() {
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(check.interval.get());
        } else {
            tokio::time::sleep(check.interval.get()).await;
        }
    }
}

/// Takes what a look has shown; answers whether there is to be another.
fn note(inner: &Arc<Inner>, id: InstanceId, inside: Inside) -> bool {
    let mut model = inner.model();
    let running = model.live(id).filter(|(_, it)| matches!(it.phase, Phase::Running(_)));
    let Some((_, instance)) = running else { return false };
    let before = instance.inside.replace(inside).map(|inside| inside.health);
    let changed = before != instance.inside.as_ref().map(|inside| inside.health);
    model.note_health(Instant::now());
    drop(model);
    if changed {
        // Who is not well inside gets no requests.
        inner.link.touch();
        inner.changed();
    }
    true
}

/// So many are looked at at once that a server with hundreds of instances is not busy with it alone.
async fn look(inner: &Inner, birth: &Birth, check: &InsideCheck) -> Looked {
    let turn = inner.looks.acquire().await;
    match turn {
        Ok(_turn) => inner.runtime.look_inside(birth, check).await,
        Err(closed) => Looked::Unknown(closed.to_string()),
    }
}

fn is_there(inner: &Inner, id: InstanceId) -> bool {
    inner.model().live(id).is_some_and(|(_, it)| matches!(it.phase, Phase::Running(_)))
}

/// The command that makes a check.
#[must_use]
pub fn command(check: &InsideCheck) -> Vec<String> {
    match &check.look {
        Look::Command { command } => command.clone(),
        Look::Heartbeat { file, max_age } => {
            let age = max_age.get().as_millis().to_string();
            [PROGRAM, HEARTBEAT, file.as_str(), &age].map(str::to_owned).into()
        }
    }
}

//! One instance's life: recorded, launched, watched until it ends, recorded again, cleaned up.

use crate::inner::Inner;
use crate::model::{PORTLESS_START, Phase};
use crate::{exits, frozen};
use kiln_container::ProcessIdent;
use kiln_engine::{Exit, GroupSpec};
use kiln_names::InstanceId;
use kiln_store::local;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// How many of its last log lines outlive an instance.
const LAST_LINES: usize = 200;
/// How long the cleaning of an ended instance waits for a router that is away.
const ROUTER_GRACE: std::time::Duration = std::time::Duration::from_secs(30);

/// What an instance is started from.
#[derive(Debug, Clone)]
pub(crate) struct Birth {
    pub(crate) spec: Arc<GroupSpec>,
    pub(crate) id: InstanceId,
    pub(crate) slot: u32,
    pub(crate) address: std::net::SocketAddr,
}

/// Launches and follows an instance whose row is in the database.
pub(crate) async fn begin(inner: Arc<Inner>, birth: Birth) {
    let launched = launch(&inner, &birth).await;
    match launched {
        Ok(shim) => {
            runs(&inner, &birth, shim.clone());
            follow(inner, birth, shim).await;
        }
        Err(cause) => {
            let exit = exits::never_started(cause, inner.machine.now_ms());
            ended(&inner, &birth, exit).await;
        }
    }
}

/// Follows an instance that runs already until it has ended and nothing of it is left.
pub(crate) async fn follow(inner: Arc<Inner>, birth: Birth, shim: ProcessIdent) {
    if let Err(error) = kiln_container::wait(&shim, &inner.machine.boot).await {
        tracing::error!(instance = %birth.id, %error, "lost sight of a shim");
    }
    let exit = exits::read(&inner, &birth).await;
    ended(&inner, &birth, exit).await;
}

async fn launch(inner: &Arc<Inner>, birth: &Birth) -> Result<ProcessIdent, String> {
    let _turn = inner.launches.acquire().await.map_err(|e| e.to_string())?;
    let dir = inner.machine.instance_dir(birth.id);
    let (writer, written, to) = (inner.clone(), birth.clone(), dir.clone());
    let writing = tokio::task::spawn_blocking(move || frozen::write(&writer, &written, &to));
    writing.await.map_err(|error| error.to_string())??;
    let launched = kiln_container::launch(&inner.machine.program, &dir).await;
    launched.map(|launched| launched.shim).map_err(|error| exits::chain(&error))
}

/// Notes that its main process runs.
pub(crate) fn runs(inner: &Arc<Inner>, birth: &Birth, shim: ProcessIdent) {
    if let Some((_, instance)) = inner.model().live(birth.id) {
        instance.shim = Some(shim);
        if instance.phase == Phase::Launching {
            instance.phase = Phase::Running(Instant::now());
        }
    }
    inner.link.touch();
    inner.changed();
    if birth.spec.run.port.is_none() {
        inner.spawn(settle(inner.clone()));
    }
}

/// A process without a port becomes healthy by the mere passing of time: look again then.
async fn settle(inner: Arc<Inner>) {
    tokio::time::sleep(PORTLESS_START).await;
    inner.model().note_health(Instant::now());
    inner.changed();
}

/// Records the end, then takes down what is left: the router's entry first, the address last, so
/// that no request for it can reach the next holder.
pub(crate) async fn ended(inner: &Arc<Inner>, birth: &Birth, exit: Exit) {
    let lines = last_lines(inner.machine.instance_dir(birth.id)).await;
    note(inner, birth, exit.clone());
    inner.changed();
    let without = inner.link.touch();
    record(inner, birth, &exit, &lines).await;
    let acknowledged = tokio::time::timeout(ROUTER_GRACE, inner.link.in_force(without)).await;
    clean(inner, birth.id).await;
    if acknowledged.is_err() {
        inner.link.in_force(without).await;
    }
    inner.machine.addresses.release(&birth.spec.env, birth.address);
}

fn note(inner: &Inner, birth: &Birth, exit: Exit) {
    if let Some(group) = inner.model().groups.get_mut(&birth.spec.id) {
        group.ended(birth.id, exit, Instant::now());
    }
}

async fn record(inner: &Inner, birth: &Birth, exit: &Exit, lines: &str) {
    let exit_json = serde_json::to_string(exit).expect("an exit is plain data");
    let recorded = async {
        let mut db = inner.db.write().await?;
        local::end_instance(&mut db, birth.id, exit.at_ms, &exit_json, lines).await?;
        db.commit().await
    };
    // Not recorded: the next start of the server finds the exit record on disk and tries again.
    if let Err(error) = recorded.await {
        tracing::error!(instance = %birth.id, %error, "failed to record an exit");
    }
}

async fn last_lines(dir: PathBuf) -> String {
    let read = move || crate::logs::tail_of(&dir, LAST_LINES).join("\n");
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

async fn clean(inner: &Arc<Inner>, id: InstanceId) {
    let inner = inner.clone();
    let cleaned = tokio::task::spawn_blocking(move || inner.machine.clean(id)).await;
    if let Ok(Err(error)) = cleaned {
        tracing::error!(instance = %id, %error, "failed to clean up an instance");
    }
}

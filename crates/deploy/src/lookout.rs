//! How groups are while a deployment goes on: looked at for as long as somebody watches, once for all
//! who do, and told when something is different.

use crate::kit::Kit;
use crate::view::{self, GroupView};
use crate::{Error, Orchestrator, Target};
use kiln_names::DeploymentId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// The least time between two looks: five a second are as much as a person follows.
const LEAST: Duration = Duration::from_millis(200);

/// The most time between two looks: nobody announces that requests in flight have ended.
const MOST: Duration = Duration::from_millis(500);

/// How the groups are; none before the first look.
pub type Groups = watch::Receiver<Option<Arc<Vec<GroupView>>>>;

type Told = watch::Sender<Option<Arc<Vec<GroupView>>>>;

/// What is looked at, and who is told.
#[derive(Debug, Default)]
pub(crate) struct Lookouts(Mutex<HashMap<DeploymentId, Told>>);

// === impl Orchestrator ===

impl Orchestrator {
    /// How the groups of a deployment are from now on, without what their instances use. Looks for as
    /// long as somebody holds a receiver, five times a second at most.
    #[must_use]
    pub fn groups(&self, deployment: DeploymentId, target: &Target) -> Groups {
        let kit = self.shared_kit();
        let mut all = kit.lookouts.all();
        if let Some(told) = all.get(&deployment) {
            let mut groups = told.subscribe();
            // What was told before counts as news to whoever comes later.
            groups.mark_changed();
            return groups;
        }
        let (told, groups) = watch::channel(None);
        all.insert(deployment, told.clone());
        drop(all);
        tokio::spawn(look_out(kit, deployment, target.clone(), told));
        groups
    }

    /// How the groups are in this moment, in the same form.
    ///
    /// # Errors
    /// When the database refuses, or holds what this Kiln cannot read.
    pub async fn look(&self, target: &Target) -> Result<Vec<GroupView>, Error> {
        look(self.kit(), target).await
    }

    /// How many deployments are looked at because somebody watches.
    #[must_use]
    pub fn looked_at(&self) -> usize {
        self.kit().lookouts.all().len()
    }
}

async fn look(kit: &Kit, target: &Target) -> Result<Vec<GroupView>, Error> {
    let mut groups = view::groups(kit, target).await?;
    for instance in groups.iter_mut().filter_map(|group| group.instances.as_mut()).flatten() {
        instance.usage = None;
    }
    Ok(groups)
}

/// Looks until nobody watches.
async fn look_out(kit: Arc<Kit>, deployment: DeploymentId, target: Target, told: Told) {
    let mut events = kit.hub.listen();
    // Most rollbacks are over by then, and whoever watches looks once more at the end.
    kit.clock().sleep(LEAST).await;
    loop {
        tokio::select! {
            () = look_and_wait(&kit, &target, &mut events, &told) => {}
            () = told.closed() => {
                let mut all = kit.lookouts.all();
                // Whoever came in this moment is told by this one.
                if told.receiver_count() == 0 {
                    all.remove(&deployment);
                    return;
                }
            }
        }
    }
}

/// Looks once, tells what is different, and waits until there may be more to see.
async fn look_and_wait(
    kit: &Kit,
    target: &Target,
    events: &mut tokio::sync::broadcast::Receiver<Arc<crate::ProgressEvent>>,
    told: &Told,
) {
    let provider = kit.ports.engines.of(&target.env).await.ok();
    let mut changes = provider.map(|provider| provider.engine.changes());
    // What cannot be read now is read a moment later, or by nobody: the deployment tells of that.
    if let Ok(groups) = look(kit, target).await {
        told.send_if_modified(|before| {
            let changed = before.as_deref() != Some(&groups);
            if changed {
                *before = Some(Arc::new(groups));
            }
            changed
        });
    }
    kit.clock().sleep(LEAST).await;
    tokio::select! {
        // Of the deployment's or of another's, or too many to count: it is only looked again.
        _ = events.recv() => {}
        Some(Ok(())) = change(changes.as_mut()) => {}
        () = kit.clock().sleep(MOST - LEAST) => {}
    }
}

async fn change(
    changes: Option<&mut watch::Receiver<u64>>,
) -> Option<Result<(), watch::error::RecvError>> {
    match changes {
        Some(changes) => Some(changes.changed().await),
        None => None,
    }
}

// === impl Lookouts ===

impl Lookouts {
    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<DeploymentId, Told>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

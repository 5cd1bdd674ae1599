//! What holds at every moment of a history.
//!
//! # Promises
//! Instances that were killed from outside count as healthy until their successors are: nobody
//! promises that nothing dies. A group has its *full size* from when it first had all of its instances;
//! one that grows has it again when it is whole, one that shrinks keeps it.
//!
//! * **Red/black, canary, rollback, redeploy, their undo, and while nothing is in progress**: once some
//!   group of full size had the traffic of a process, some such group always has it.
//! * **Resize, replace**: the same. A group that shrinks keeps at least its new size.
//! * **Rolling and its undo**: the groups that have traffic have together at least as many healthy
//!   instances as the smaller of the old size and the new one.
//! * **One by one and its undo**: the same, but for the one instance that is being replaced.
//! * **Highlander and stop, and their undo**: nothing, from their first action until they end.
//! * **The undo of what replaced nothing**: nothing; it takes away what was not there before.
//! * **Changing calls** are made by the one deployment that holds the lock of its application and
//!   environment, while it is running; and by the removal of groups that wait for it.

use super::course::{Broken, History, targets};
use kiln_deploy::actions::Action;
use kiln_deploy::{Plan, Target};
use kiln_engine::sim::{GroupMoment, Moment, Operation};
use kiln_names::{DeploymentId, GroupId};
use kiln_protocol::deployment::DeploymentState;
use kiln_store::deployments::{self, DeploymentRow};
use kiln_store::retirements;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the traffic so far.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    /// How many moments were looked at.
    seen: usize,
    /// The processes that have a group of full size, with their environment.
    served: BTreeSet<(String, String)>,
    /// The size at which each group was last whole.
    full: BTreeMap<GroupId, usize>,
    /// Those that were in progress at the last look.
    in_progress: Vec<DeploymentRow>,
    kinds: BTreeMap<DeploymentId, Kind>,
}

/// What a deployment promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A group of full size.
    Full,
    /// So many healthy instances.
    AtLeast(usize),
    /// Nothing.
    Nothing,
}

impl History {
    /// Looks at what happened since the last look.
    pub(crate) async fn look(&mut self) -> Result<(), Broken> {
        let moments = self.world.engine.moments_from(self.promises.seen);
        if moments.is_empty() {
            return Ok(());
        }
        self.promises.seen += moments.len();
        let now = deployments::holders(&mut self.db.read().await.unwrap()).await.unwrap();
        let before = std::mem::replace(&mut self.promises.in_progress, now.clone());
        let mut kinds = Vec::new();
        for row in before.iter().chain(&now) {
            let target = Target { app: row.app.clone(), env: row.env.clone() };
            kinds.push((target, self.kind(row).await));
        }
        for moment in &moments {
            for target in targets() {
                let mine = kinds.iter().filter(|(of, _)| *of == target).map(|(_, kind)| *kind);
                self.promises.check(moment, &target, &mine.collect::<Vec<_>>())?;
            }
        }
        Ok(())
    }

    async fn kind(&mut self, row: &DeploymentRow) -> Kind {
        if let Some(kind) = self.promises.kinds.get(&row.id) {
            return *kind;
        }
        let deployment = self.watcher.deployment(row.id).await.unwrap();
        let Some(plan) = deployment.plan else { return Kind::Full };
        let kind = Kind::of(&plan);
        self.promises.kinds.insert(row.id, kind);
        kind
    }

    /// Refuses a change by whoever has no right to it.
    pub(crate) async fn may_change(
        &mut self,
        operation: Operation,
        epoch: u64,
    ) -> Result<(), Broken> {
        let mut db = self.db.read().await.unwrap();
        let holders = deployments::holders(&mut db).await.unwrap();
        let running = |row: &DeploymentRow| {
            row.number == epoch && row.state == DeploymentState::Running.as_str()
        };
        if holders.iter().any(running) {
            return Ok(());
        }
        let waiting = retirements::all(&mut db).await.unwrap();
        if operation == Operation::RemoveGroup && waiting.iter().any(|row| row.removing) {
            return Ok(());
        }
        Err(format!("{} by epoch {epoch}, which does not run: {holders:#?}", operation.name()))
    }
}

impl Promises {
    fn check(&mut self, moment: &Moment, target: &Target, kinds: &[Kind]) -> Result<(), Broken> {
        let mut by_process: BTreeMap<String, Vec<&GroupMoment>> = BTreeMap::new();
        let mine = moment.serving.iter().filter(|g| g.app == target.app && g.env == target.env);
        for group in mine {
            by_process.entry(group.process.to_string()).or_default().push(group);
        }
        let env = target.env.to_string();
        let served = self.served.iter().filter(|(there, _)| *there == env);
        for (_, process) in served {
            by_process.entry(process.clone()).or_default();
        }
        for (process, groups) in by_process {
            let full = groups.iter().map(|group| self.is_full(group)).filter(|full| *full).count();
            let key = (env.clone(), process);
            if full > 0 {
                self.served.insert(key);
                continue;
            }
            let alive: usize = groups.iter().map(|group| group.healthy + group.mourned).sum();
            let kept = |kind: &Kind| match kind {
                Kind::Full => false,
                Kind::AtLeast(count) => alive >= *count,
                Kind::Nothing => true,
            };
            if self.served.contains(&key) && !kinds.iter().any(kept) {
                return Err(format!("{key:?} lost its last full group, {kinds:?}: {moment:#?}"));
            }
            if kinds.contains(&Kind::Nothing) {
                self.served.remove(&key);
            }
        }
        Ok(())
    }

    /// Whether a group is of full size; notes the size when it is.
    fn is_full(&mut self, group: &GroupMoment) -> bool {
        let alive = group.healthy + group.mourned;
        let full = self.full.entry(group.group).or_insert(group.desired);
        if alive >= group.desired {
            *full = group.desired;
        }
        *full = group.desired.min(*full);
        *full > 0 && alive >= *full
    }
}

impl Kind {
    fn of(plan: &Plan) -> Self {
        let actions = || plan.actions.iter().map(|planned| &planned.action);
        let takes_all_away = actions().any(|action| match action {
            Action::ApplyTraffic(apply) => apply.to.clusters.is_empty(),
            _ => false,
        });
        if takes_all_away || plan.from.is_none() {
            return Self::Nothing;
        }
        let is_new = |id: GroupId| plan.new_groups().any(|spec| spec.id == id);
        let resizes = actions().filter_map(|action| match action {
            Action::ResizeGroups(resize) => Some(&resize.groups),
            Action::MoveSlots(slots) => Some(&slots.groups),
            _ => None,
        });
        let in_turn = resizes.clone().flatten().any(|resize| resize.top.is_some());
        // Only what rolls, or goes one by one, makes an old group with traffic smaller for a new one.
        let mut shrinks = resizes.flatten().filter(|resize| {
            let name = resize.group.name.as_str();
            plan.release.is_some()
                && !is_new(resize.group.id)
                && name.contains("-web-")
                && resize.from.is_some_and(|from| from > resize.to)
        });
        let new = plan.new_groups().find(|spec| spec.process.as_str() == "web");
        match (shrinks.next(), new) {
            (Some(shrink), Some(new)) => {
                let old = shrink.from.unwrap_or_default();
                let least = old.min(new.params.desired) as usize;
                Self::AtLeast(least.saturating_sub(usize::from(in_turn)))
            }
            _ => Self::Full,
        }
    }
}

//! What there is of an application in an environment, as the database knows it.

use crate::{Problem, Release, Target};
use kiln_engine::GroupSpec;
use kiln_names::{GroupId, GroupName, ProcessName, ReleaseId, Route, Span};
use kiln_protocol::status::GroupState;
use kiln_store::activations::ActivationRow;
use kiln_store::groups::GroupRow;
use kiln_store::retirements::RetirementRow;
use kiln_store::{activations, groups, releases, retirements, route_claims};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

/// A group by identity and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRef {
    /// Its identity.
    pub id: GroupId,
    /// Its name.
    pub name: GroupName,
}

/// A route and the process that it leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The route.
    pub route: Route,
    /// The process.
    pub process: ProcessName,
}

/// A group that is not gone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KnownGroup {
    pub(crate) spec: GroupSpec,
    pub(crate) size: u32,
    pub(crate) state: GroupState,
    pub(crate) retirement: Option<RetirementRow>,
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    /// The oldest first.
    pub(crate) groups: Vec<KnownGroup>,
    /// Groups on their way out, where they are told apart.
    pub(crate) leaving: Vec<KnownGroup>,
    pub(crate) current: Option<ActivationRow>,
    pub(crate) claims: Vec<Claim>,
    pub(crate) last_number: u32,
}

// === impl GroupRef ===

impl From<&GroupSpec> for GroupRef {
    fn from(spec: &GroupSpec) -> Self {
        Self { id: spec.id, name: spec.name.clone() }
    }
}

impl std::fmt::Display for GroupRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.name.fmt(f)
    }
}

// === impl KnownGroup ===

impl KnownGroup {
    pub(crate) fn group(&self) -> GroupRef {
        GroupRef::from(&self.spec)
    }

    /// Whether requests reach it.
    pub(crate) fn routed(&self) -> bool {
        routed(&self.spec)
    }

    /// How long its instances may take to drain and stop.
    pub(crate) fn time_to_leave(&self) -> Span {
        time_to_leave(&self.spec)
    }
}

/// How long instances of the given spec may take to drain and stop.
pub(crate) fn time_to_leave(spec: &GroupSpec) -> Span {
    Span::seconds((spec.params.drain_timeout.get() + spec.run.stop.timeout.get()).as_secs() + 1)
}

/// Whether requests reach groups of the given spec.
pub(crate) fn routed(spec: &GroupSpec) -> bool {
    !spec.params.routes.is_empty()
}

// === impl Place ===

impl Place {
    /// Reads what there is to plan with: groups on their way out stand apart.
    pub(crate) async fn read(db: &mut SqliteConnection, target: &Target) -> Result<Self, Problem> {
        let mut place = Self::read_all(db, target).await?;
        let leaves = |group: &mut KnownGroup| group.state == GroupState::Draining;
        place.leaving = place.groups.extract_if(.., leaves).collect();
        Ok(place)
    }

    /// Reads everything there is.
    pub(crate) async fn read_all(
        db: &mut SqliteConnection,
        target: &Target,
    ) -> Result<Self, Problem> {
        let Target { app, env } = target;
        let waiting = retirements::of(&mut *db, app, env).await?;
        let rows = groups::here(&mut *db, app, env).await?;
        let known = rows.into_iter().map(|row| known_group(row, &waiting));
        let known: Vec<KnownGroup> = known.collect::<Result<_, _>>()?;
        let held = route_claims::held_by(&mut *db, app, env).await?;
        Ok(Self {
            groups: known,
            leaving: Vec::new(),
            current: activations::current(&mut *db, app, env).await?,
            claims: held
                .into_iter()
                .map(|held| Claim { route: held.route, process: held.process })
                .collect(),
            last_number: groups::last_number(db, app, env).await?,
        })
    }

    /// The groups in the given state.
    pub(crate) fn in_state(&self, state: GroupState) -> impl Iterator<Item = &KnownGroup> {
        self.groups.iter().filter(move |group| group.state == state)
    }

    /// The same without some of its groups.
    pub(crate) fn without(&self, groups: &[KnownGroup]) -> Self {
        let mut place = self.clone();
        place.groups.retain(|known| !groups.contains(known));
        place
    }

    /// The release that is active.
    pub(crate) fn release(&self) -> Option<ReleaseId> {
        self.current.as_ref().and_then(|current| current.release)
    }
}

fn known_group(row: GroupRow, waiting: &[RetirementRow]) -> Result<KnownGroup, Problem> {
    let unreadable = |what: &str| {
        let message = format!("read the {what} of group {}: it is of another Kiln", row.name);
        Problem::unavailable(message)
    };
    Ok(KnownGroup {
        spec: serde_json::from_str(&row.spec).map_err(|_| unreadable("spec"))?,
        size: row.size,
        state: group_state(&row.state).ok_or_else(|| unreadable("state"))?,
        retirement: waiting.iter().find(|waiting| waiting.group == row.id).cloned(),
    })
}

/// Reads a stored state.
pub(crate) fn group_state(text: &str) -> Option<GroupState> {
    use GroupState::{Active, Draining, Gone, Ready, Starting, Warm};
    [Starting, Ready, Active, Warm, Draining, Gone].into_iter().find(|s| s.as_str() == text)
}

/// A release that was stored.
pub(crate) async fn stored_release(
    db: &mut SqliteConnection,
    id: ReleaseId,
) -> Result<Release, Problem> {
    let missing = || Problem::not_found(format!("find release {}: there is none", id.short()));
    let canonical = releases::get(db, id).await?.ok_or_else(missing)?;
    Release::parse(&canonical).map_err(|_| {
        Problem::unavailable(format!("read release {}: it is of another Kiln", id.short()))
    })
}

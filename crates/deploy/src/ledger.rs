//! What becomes true in the database when an action is recorded, in the same transaction.

use crate::Target;
use crate::place::Claim;
use kiln_engine::GroupSpec;
use kiln_names::{GroupId, ReleaseId};
use kiln_protocol::configuration::DeploymentSettings;
use kiln_protocol::status::GroupState;
use kiln_store::activations::NewActivation;
use kiln_store::groups::GroupRow;
use kiln_store::route_claims::ClaimRow;
use kiln_store::{StoreError, activations, groups, retirements, route_claims};
use sqlx::SqliteConnection;

/// A transaction in the making, for one deployment.
#[derive(Debug)]
pub(crate) struct Ledger<'a> {
    pub(crate) db: &'a mut SqliteConnection,
    pub(crate) target: &'a Target,
    pub(crate) deployment: u64,
    pub(crate) now_ms: u64,
}

/// Why a record cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// Another application or environment holds a route.
    #[error("claim {}: {} in {} holds it for its process {}", .0.route, .0.app, .0.env, .0.process)]
    RouteTaken(Box<ClaimRow>),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

// === impl Ledger ===

impl Ledger<'_> {
    pub(crate) async fn claim(&mut self, claim: &Claim) -> Result<(), LedgerError> {
        let Target { app, env } = self.target;
        if let Some(holder) = route_claims::holder(self.db, &claim.route).await?
            && (holder.app != *app || holder.env != *env)
        {
            return Err(LedgerError::RouteTaken(Box::new(holder)));
        }
        let row = ClaimRow {
            route: claim.route.clone(),
            app: app.clone(),
            env: env.clone(),
            process: claim.process.clone(),
        };
        Ok(route_claims::claim(self.db, &row).await?)
    }

    pub(crate) async fn free_routes_but(&mut self, keep: &[Claim]) -> Result<(), LedgerError> {
        let Target { app, env } = self.target;
        for held in route_claims::held_by(self.db, app, env).await? {
            if !keep.iter().any(|claim| claim.route == held.route) {
                route_claims::free(self.db, app, env, &held.route).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn add_group(&mut self, spec: &GroupSpec) -> Result<(), LedgerError> {
        let row = GroupRow {
            id: spec.id,
            name: spec.name.clone(),
            app: spec.app.clone(),
            env: spec.env.clone(),
            process: spec.process.clone(),
            number: spec.number,
            release: spec.release,
            spec: serde_json::to_string(spec).expect("plain data with text keys becomes JSON"),
            size: 0,
            state: GroupState::Starting.as_str().to_owned(),
            created_ms: self.now_ms,
            since_ms: self.now_ms,
        };
        Ok(groups::put(self.db, &row).await?)
    }

    pub(crate) async fn group_is(
        &mut self,
        group: GroupId,
        state: GroupState,
    ) -> Result<(), LedgerError> {
        Ok(groups::set_state(self.db, group, state.as_str(), self.now_ms).await?)
    }

    /// A group that was starting is ready; any other stays what it is.
    pub(crate) async fn group_is_ready(&mut self, group: GroupId) -> Result<(), LedgerError> {
        let (from, to) = (GroupState::Starting.as_str(), GroupState::Ready.as_str());
        Ok(groups::change_state(self.db, group, from, to, self.now_ms).await?)
    }

    pub(crate) async fn group_has(&mut self, group: GroupId, size: u32) -> Result<(), LedgerError> {
        Ok(groups::set_size(self.db, group, size).await?)
    }

    pub(crate) async fn retire(&mut self, group: GroupId, due_ms: u64) -> Result<(), LedgerError> {
        let Target { app, env } = self.target;
        Ok(retirements::put(self.db, group, app, env, due_ms).await?)
    }

    pub(crate) async fn hasten_retirements(&mut self) -> Result<(), LedgerError> {
        let Target { app, env } = self.target;
        Ok(retirements::hasten(self.db, app, env, self.now_ms).await?)
    }

    pub(crate) async fn cancel_retirement(&mut self, group: GroupId) -> Result<(), LedgerError> {
        Ok(retirements::delete(self.db, group).await?)
    }

    pub(crate) async fn activate(
        &mut self,
        release: Option<ReleaseId>,
        back: Option<u64>,
        settings: &DeploymentSettings,
    ) -> Result<(), LedgerError> {
        let new = NewActivation {
            app: self.target.app.clone(),
            env: self.target.env.clone(),
            release,
            back,
            deployment: self.deployment,
            settings: serde_json::to_string(settings).expect("plain data becomes JSON"),
            at_ms: self.now_ms,
        };
        Ok(activations::add(self.db, &new).await?)
    }
}

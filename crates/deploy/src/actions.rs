//! The table of actions: every small step that a deployment can take, one file each.
//!
//! # Contract
//! An action *ensures*: it looks, acts only if something is missing, and says when it was already
//! so. It runs at least once; after a crash it runs again. Its intent is in the journal before its
//! effect, its result after. It ends in one of three ways: done, to be tried again after a while,
//! or failed.
//!
//! Names of actions are data on disk: they are never given to another action, and a renamed one
//! keeps its old name as an alias.

mod analyze;
mod announce;
mod apply_traffic;
mod await_exist;
mod await_gone;
mod await_in_force;
mod await_left;
mod await_replaced;
mod await_routed;
mod await_shrunk;
mod await_stable;
mod await_started;
mod await_startup;
mod cancel_retirement;
mod claim_routes;
mod ensure_groups;
mod ensure_image;
mod expected;
mod free_routes;
mod mark_active;
mod move_slots;
mod outcome;
mod pause;
mod record_release;
mod remove_groups;
mod replace_instance;
mod resize_groups;
mod retire_groups;
mod run_hook;
mod scene;
mod stop_unrouted;
mod watch;

pub use analyze::Analyze;
pub use announce::Announce;
pub use apply_traffic::{ApplyTraffic, Becomes};
pub use await_exist::AwaitExist;
pub use await_gone::AwaitGone;
pub use await_in_force::AwaitInForce;
pub use await_left::AwaitLeft;
pub use await_replaced::AwaitReplaced;
pub use await_routed::AwaitRouted;
pub use await_shrunk::AwaitShrunk;
pub use await_stable::AwaitStable;
pub use await_started::AwaitStarted;
pub use await_startup::AwaitStartup;
pub use cancel_retirement::CancelRetirement;
pub use claim_routes::ClaimRoutes;
pub use ensure_groups::EnsureGroups;
pub use ensure_image::EnsureImage;
pub use expected::Expected;
pub use free_routes::FreeRoutes;
pub use mark_active::MarkActive;
pub use move_slots::MoveSlots;
pub use pause::Pause;
pub use record_release::RecordRelease;
pub use remove_groups::{RemoveGroups, Restore};
pub use replace_instance::ReplaceInstance;
pub use resize_groups::{Resize, ResizeGroups};
pub use retire_groups::{Due, RetireGroups, Retiree};
pub use run_hook::RunHook;
pub use stop_unrouted::StopUnrouted;
pub use watch::Watch;

pub(crate) use outcome::{Outcome, Verdict, verdict};
pub(crate) use scene::Scene;

use crate::ledger::{Ledger, LedgerError};
use crate::place::GroupRef;
use kiln_engine::EngineError;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How an action touches the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touch {
    /// It changes the database alone, together with its own record.
    Records,
    /// It only looks: its records may be lost in a crash, and are written with the next ones.
    Looks,
    /// It changes the world: its intent is on disk before.
    Changes,
    /// It does nothing: a person says when the next one begins.
    Waits,
}

/// What every action can do.
#[async_trait::async_trait]
pub(crate) trait Act: Sync {
    /// How it touches the world.
    fn touch(&self) -> Touch;

    /// What it does, with what, for people.
    fn summary(&self) -> String;

    /// Whether there is nothing for it to do at all, so that a plan can leave it out.
    fn is_idle(&self) -> bool {
        false
    }

    /// How long it may take in all.
    fn deadline(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// The groups whose instances can tell why it failed.
    fn suspects(&self) -> Vec<GroupRef> {
        Vec::new()
    }

    /// Ensures what it is for.
    async fn run(&self, _scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        Ok(Outcome::done())
    }

    /// The actions that take it back, in order.
    fn undo(&self) -> Vec<Action> {
        Vec::new()
    }

    /// What becomes true in the database with its intent.
    async fn intended(&self, _ledger: &mut Ledger<'_>) -> Result<(), LedgerError> {
        Ok(())
    }

    /// What becomes true in the database with its result.
    async fn finished(&self, _ledger: &mut Ledger<'_>) -> Result<(), LedgerError> {
        Ok(())
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident = $name:literal,)*) => {
        /// One small idempotent step, with everything it needs.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "action")]
        pub enum Action {
            $($(#[$doc])* #[serde(rename = $name)] $action($action),)*
        }

        impl Action {
            /// The names of all actions, as they stand in journals.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            /// Its name, as it stands in journals.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$action(_) => $name,)*
                }
            }

            pub(crate) fn act(&self) -> &dyn Act {
                match self {
                    $(Self::$action(action) => action,)*
                }
            }
        }

        $(impl From<$action> for Action {
            fn from(action: $action) -> Self {
                Self::$action(action)
            }
        })*
    };
}

actions! {
    /// Take the routes of the new release.
    ClaimRoutes = "claim-routes",
    /// Take warm groups back before they are removed.
    CancelRetirement = "cancel-retirement",
    /// Tell whoever listens.
    Announce = "announce",
    /// Make the image available where instances start.
    EnsureImage = "ensure-image",
    /// Make new groups exist, empty.
    EnsureGroups = "ensure-groups",
    /// Set all routes and weights in one step.
    ApplyTraffic = "apply-traffic",
    /// Set how many instances groups have.
    ResizeGroups = "resize-groups",
    /// Wait until every instance is there.
    AwaitExist = "await-exist",
    /// Wait until every instance has started.
    AwaitStarted = "await-started",
    /// Wait until every instance passed its start-up check.
    AwaitStartup = "await-startup",
    /// Wait until every instance is healthy, and none is too many.
    AwaitStable = "await-stable",
    /// Wait until the traffic sees every instance healthy.
    AwaitRouted = "await-routed",
    /// Stop old groups that take no requests.
    StopUnrouted = "stop-unrouted",
    /// Wait until routes and weights are in force everywhere.
    AwaitInForce = "await-in-force",
    /// Run a command of the configuration's in the new image.
    RunHook = "run-hook",
    /// Let a person look before the next one.
    Pause = "pause",
    /// Look at the new groups under load.
    Watch = "watch",
    /// Compare the new groups with the old ones by what was counted of requests.
    Analyze = "analyze",
    /// Hand old groups over, to be removed later.
    RetireGroups = "retire-groups",
    /// Write down which release is active.
    RecordRelease = "record-release",
    /// Give back the routes that are not needed any more.
    FreeRoutes = "free-routes",
    /// Remove groups.
    RemoveGroups = "remove-groups",
    /// Wait until removed groups are gone.
    AwaitGone = "await-gone",
    /// Wait until groups that have begun to leave have left.
    AwaitLeft = "await-left",
    /// Count groups that came back as active.
    MarkActive = "mark-active",
    /// Ask for an identical instance in the place of one.
    ReplaceInstance = "replace-instance",
    /// Let instances make room for those of another group, or take it.
    MoveSlots = "move-slots",
    /// Wait until no instance of groups is too many.
    AwaitShrunk = "await-shrunk",
    /// Wait until the replaced instance is gone and its group whole.
    AwaitReplaced = "await-replaced",
}

// === impl Action ===

impl Action {
    /// What it does, with what, for people.
    #[must_use]
    pub fn summary(&self) -> String {
        self.act().summary()
    }

    /// How long it may take in all.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.act().deadline()
    }

    /// The actions that take it back, in order.
    #[must_use]
    pub fn undo(&self) -> Vec<Self> {
        self.act().undo().into_iter().filter(|action| !action.is_idle()).collect()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.act().is_idle()
    }
}

/// "a, b and c" in short: the names of groups.
fn names<'a>(groups: impl IntoIterator<Item = &'a GroupRef>) -> String {
    groups.into_iter().map(|group| group.name.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;

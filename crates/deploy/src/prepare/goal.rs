//! Which release a request means, and where a rollback returns to from it.

use super::surroundings::Surroundings;
use crate::kit::Kit;
use crate::place::stored_release;
use crate::{Ask, Deploy, Problem, Release, Request, Target};
use kiln_names::ReleaseId;
use kiln_store::activations::ActivationRow;
use kiln_store::{activations, releases};

/// How far back a chain of activations is followed.
const MAX_BACK: usize = 10_000;

/// Which release to go to, before its parts were looked at.
#[derive(Debug, Clone)]
pub(super) struct Goal {
    /// The release, if it was deployed before.
    pub(super) known: Option<Release>,
    /// The activation that a rollback from there returns to.
    pub(super) back: Option<u64>,
    /// The activation that is returned to.
    pub(super) returns_to: Option<ActivationRow>,
}

/// Which release is meant.
pub(super) async fn goal(
    kit: &Kit,
    request: &Request,
    around: &Surroundings,
) -> Result<Goal, Problem> {
    let (target, current) = (&request.target, around.place.current.as_ref());
    match &request.ask {
        Ask::Rollback { to } => rollback_goal(kit, target, around, to.as_deref()).await,
        Ask::Deploy(Deploy { release: Some(prefix), .. }) => {
            let id = find_release(kit, target, prefix).await?;
            let known = stored_release(&mut *kit.db.read().await?, id).await?;
            Ok(Goal { known: Some(known), back: back_from(current, Some(id)), returns_to: None })
        }
        _ => Ok(Goal { known: None, back: None, returns_to: None }),
    }
}

/// Where a rollback returns to from a new activation that follows `current`.
pub(super) fn back_from(current: Option<&ActivationRow>, new: Option<ReleaseId>) -> Option<u64> {
    let current = current?;
    // What was stopped, or is deployed again, is not what anybody wants to go back to.
    if current.release.is_none() || current.release == new {
        return current.back;
    }
    Some(current.number)
}

async fn rollback_goal(
    kit: &Kit,
    target: &Target,
    around: &Surroundings,
    to: Option<&str>,
) -> Result<Goal, Problem> {
    let nothing = || Problem::invalid(format!("nothing was ever deployed of {target}"));
    let current = around.place.current.as_ref().ok_or_else(nothing)?;
    let mut db = kit.db.read().await?;
    let returns_to = match to {
        None => {
            let first = || Problem::invalid(format!("{target} has no earlier release"));
            let active = around.place.release();
            earlier(&mut db, current, active).await?.ok_or_else(first)?
        }
        Some(prefix) => {
            drop(db);
            let id = find_release(kit, target, prefix).await?;
            db = kit.db.read().await?;
            let never = || Problem::invalid(format!("{} was never active", id.short()));
            activations::of_release(&mut db, &target.app, &target.env, id)
                .await?
                .ok_or_else(never)?
        }
    };
    let id = returns_to.release.ok_or_else(|| Problem::invalid("it was stopped then"))?;
    if around.place.release() == Some(id) {
        return Err(Problem::invalid(format!("{} is active already", id.short())));
    }
    let known = stored_release(&mut db, id).await?;
    let behind = is_behind(&mut db, current, returns_to.number).await?;
    let back = if behind { returns_to.back } else { back_from(Some(current), Some(id)) };
    Ok(Goal { known: Some(known), back, returns_to: Some(returns_to) })
}

/// The newest activation behind `current` of another release than the active one. What was stopped, and
/// deployed again, is behind itself.
async fn earlier(
    db: &mut sqlx::SqliteConnection,
    current: &ActivationRow,
    active: Option<ReleaseId>,
) -> Result<Option<ActivationRow>, Problem> {
    let mut at = current.back;
    for _ in 0..MAX_BACK {
        let Some(number) = at else { return Ok(None) };
        let Some(row) = activations::get(db, number).await? else { return Ok(None) };
        if row.release.is_some() && row.release != active {
            return Ok(Some(row));
        }
        at = row.back;
    }
    Ok(None)
}

/// Whether going back again and again from `current` meets the given activation.
async fn is_behind(
    db: &mut sqlx::SqliteConnection,
    current: &ActivationRow,
    wanted: u64,
) -> Result<bool, Problem> {
    let mut at = current.back;
    for _ in 0..MAX_BACK {
        match at {
            None => return Ok(false),
            Some(number) if number == wanted => return Ok(true),
            Some(number) => at = activations::get(db, number).await?.and_then(|row| row.back),
        }
    }
    Ok(false)
}

/// The release that a person means by its whole id or the beginning of it.
async fn find_release(kit: &Kit, target: &Target, prefix: &str) -> Result<ReleaseId, Problem> {
    let digits = prefix.strip_prefix("r-").unwrap_or_default();
    let good = (4..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if !good {
        let message = format!("{prefix:?} is not a release: r- and at least 4 digits");
        return Err(Problem::invalid(message));
    }
    let mut db = kit.db.read().await?;
    match releases::find(&mut db, &target.app, &target.env, prefix).await?.as_slice() {
        [only] => Ok(*only),
        [] => Err(Problem::not_found(format!("{target} has no release {prefix}"))),
        _ => Err(Problem::invalid(format!("{prefix} is the beginning of several releases"))),
    }
}

//! Preparation: it reads, decides and changes nothing.
//!
//! Its steps stand here in their order; the first that says no ends it, and the deployment is
//! *invalid*. `kiln plan` runs the same steps without the lock. Two stand elsewhere than one might
//! expect: what is there is read early, because a rollback begins from it, and capacity is checked
//! late, because only rendered specs say what is needed.

mod approach;
mod draft;
mod goal;
mod image;
mod others;
mod release;
mod secrets;
mod surroundings;
mod warm;

pub(crate) use draft::Draft;

use crate::decide::Refusal;
use crate::plan::Plan;
use crate::ports::ApplicationFacts;
use crate::{Ask, Problem, Request, Target};
use kiln_protocol::configuration::MAX_INSTANCES;
use surroundings::Surroundings;

/// The longest message that a journal keeps.
const MAX_MESSAGE_BYTES: usize = 4096;

/// Makes the plan of a request.
pub(crate) async fn prepare(draft: &mut Draft<'_>, request: &Request) -> Result<Plan, Refusal> {
    let (kit, target) = (draft.kit, &request.target);
    draft.decide("validate request", validate(request))?;
    let facts = draft.step("read metadata", metadata(draft.kit, target)).await?;
    draft.decide("check not blocked", not_blocked(target, &facts))?;
    let around = draft.step("read groups", Surroundings::read(kit, target)).await?;
    match &request.ask {
        Ask::Deploy(_) | Ask::Redeploy | Ask::Rollback { .. } => {
            release::prepare(draft, request, &around, facts.judgement).await
        }
        Ask::Stop => others::stop(draft, request, &around),
        Ask::Resize { process, size } => {
            others::resize(draft, request, &around, process.as_ref(), *size).await
        }
        Ask::Replace { instance } => others::replace(draft, request, &around, *instance),
    }
}

fn validate(request: &Request) -> Result<(), Problem> {
    if request.why.message.len() > MAX_MESSAGE_BYTES {
        return Err(Problem::invalid(format!("the message is longer than {MAX_MESSAGE_BYTES} B")));
    }
    match &request.ask {
        Ask::Deploy(deploy)
            if deploy.release.is_some() && (deploy.image.is_some() || deploy.config.is_some()) =>
        {
            let message = "a release has its image and its configuration: name no others with it";
            Err(Problem::invalid(message))
        }
        Ask::Resize { size, .. } if *size > MAX_INSTANCES => {
            Err(Problem::invalid(format!("{size} instances are more than {MAX_INSTANCES}")))
        }
        _ => Ok(()),
    }
}

async fn metadata(kit: &crate::kit::Kit, target: &Target) -> Result<ApplicationFacts, Problem> {
    let Target { app, env } = target;
    let catalog = &kit.ports.catalog;
    let no_app = || Problem::not_found(format!("there is no application {app}"));
    let facts = catalog.application(app).await?.ok_or_else(no_app)?;
    if !catalog.has_environment(env).await? {
        return Err(Problem::not_found(format!("there is no environment {env}")));
    }
    Ok(facts)
}

fn not_blocked(target: &Target, facts: &ApplicationFacts) -> Result<(), Problem> {
    match &facts.blocked {
        Some(blocked) => Err(Problem::not_allowed(format!("{} is blocked: {blocked}", target.app))),
        None => Ok(()),
    }
}

/// Whether the application and the environment are there at all, before a lock is taken.
pub(crate) async fn exists(kit: &crate::kit::Kit, target: &Target) -> Result<(), Problem> {
    metadata(kit, target).await.map(drop)
}

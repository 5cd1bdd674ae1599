//! Refusals of the orchestrator and of engines.

use super::Refusal;
use kiln_deploy::{Error, Problem, ProblemKind};
use kiln_engine::EngineError;
use kiln_protocol::Code;

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let code = match problem.kind {
            ProblemKind::Invalid => Code::PlanInvalid,
            ProblemKind::NotFound => Code::NotFound,
            ProblemKind::Conflict => Code::InUse,
            ProblemKind::NotAllowed => Code::Forbidden,
            ProblemKind::Unavailable => Code::Unavailable,
        };
        Self::new(code, problem.message)
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Problem::from(error).into()
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Problem(problem) => problem.into(),
            Error::Conflict { verb, target, holder, hint } => {
                let (held, id, who, state) = (&holder.verb, holder.id, &holder.who, holder.state);
                let detail =
                    format!("failed to {verb} {target}: {held} {id} of {who} holds it, {state}");
                Self::new(Code::InProgress, detail).hint(hint)
            }
            Error::Locked { verb, target, lock } => {
                let (who, why) = (&lock.by.who, &lock.message);
                let detail = format!("failed to {verb} {target}: {who} locked everything: {why}");
                Self::new(Code::Locked, detail).hint("kiln unlock gives the lock back.")
            }
            Error::NotNow(not) => Self::new(Code::NotInProgress, not.why).hint(not.instead),
            Error::NoDeployment(_) => Self::failed(Code::DeploymentNotFound, &error),
            Error::NothingInProgress { ref target, .. } => {
                let hint = format!("kiln deployments {} {}", target.app, target.env);
                Self::failed(Code::NotInProgress, &error).hint(hint)
            }
            Error::Stopping => Self::failed(Code::Unavailable, &error),
            Error::Journal { .. } | Error::Store(_) => Self::internal(&error),
        }
    }
}

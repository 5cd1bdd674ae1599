//! `claim-routes`: the routes of the new release belong to it from the moment its plan is sealed;
//! those of the old one stay with it until the end.

use super::{Act, Action, FreeRoutes, Touch};
use crate::ledger::{Ledger, LedgerError};
use crate::place::Claim;
use serde::{Deserialize, Serialize};

/// Ensures that the routes are ours, or refuses with the name of who holds one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimRoutes {
    /// The routes, with the processes that they lead to.
    pub claims: Vec<Claim>,
    /// What was held before.
    pub before: Vec<Claim>,
}

#[async_trait::async_trait]
impl Act for ClaimRoutes {
    fn touch(&self) -> Touch {
        Touch::Records
    }

    fn summary(&self) -> String {
        let routes = self.claims.iter().map(|claim| claim.route.to_string());
        format!("claim {}", routes.collect::<Vec<_>>().join(", "))
    }

    fn is_idle(&self) -> bool {
        self.claims.is_empty()
    }

    fn undo(&self) -> Vec<Action> {
        vec![FreeRoutes { keep: self.before.clone() }.into()]
    }

    async fn finished(&self, ledger: &mut Ledger<'_>) -> Result<(), LedgerError> {
        for claim in &self.claims {
            ledger.claim(claim).await?;
        }
        Ok(())
    }
}

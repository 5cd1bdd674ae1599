//! `free-routes`: what the release does not need any more, others may claim.

use super::{Act, Touch};
use crate::ledger::{Ledger, LedgerError};
use crate::place::Claim;
use serde::{Deserialize, Serialize};

/// Ensures that exactly the given routes are ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreeRoutes {
    /// The routes that stay, with the processes that they lead to.
    pub keep: Vec<Claim>,
}

#[async_trait::async_trait]
impl Act for FreeRoutes {
    fn touch(&self) -> Touch {
        Touch::Records
    }

    fn summary(&self) -> String {
        match self.keep.len() {
            0 => "free all routes".to_owned(),
            count => format!("free all routes but {count}"),
        }
    }

    async fn finished(&self, ledger: &mut Ledger<'_>) -> Result<(), LedgerError> {
        ledger.free_routes_but(&self.keep).await?;
        for claim in &self.keep {
            ledger.claim(claim).await?;
        }
        Ok(())
    }
}

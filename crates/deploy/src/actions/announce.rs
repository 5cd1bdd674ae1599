//! `announce`: tell whoever listens. The record itself is what they hear.

use super::{Act, Touch};
use serde::{Deserialize, Serialize};

/// Ensures that the journal says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announce {
    /// What is announced.
    pub text: String,
}

#[async_trait::async_trait]
impl Act for Announce {
    fn touch(&self) -> Touch {
        Touch::Records
    }

    fn summary(&self) -> String {
        self.text.clone()
    }
}

//! `pause`: a person looks before the deployment goes on.

use super::{Act, Touch};
use serde::{Deserialize, Serialize};

/// Ensures that a person had a look: the deployment is paused here until somebody resumes it, or
/// takes it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// What comes next: "the traffic moves".
    pub before: String,
    /// What to look at, as the catalog says.
    pub judgement: Option<String>,
}

#[async_trait::async_trait]
impl Act for Pause {
    fn touch(&self) -> Touch {
        Touch::Waits
    }

    fn summary(&self) -> String {
        let look = self.judgement.as_ref().map(|judgement| format!(". {judgement}"));
        format!("before {}{}", self.before, look.unwrap_or_default())
    }
}

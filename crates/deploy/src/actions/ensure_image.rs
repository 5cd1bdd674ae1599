//! `ensure-image`: the image is there before an instance needs it.

use super::{Act, Outcome, Scene, Touch};
use kiln_engine::EngineError;
use kiln_names::Digest;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Ensures that instances can start from the image. What it leaves behind, others may use: it is
/// not undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnsureImage {
    /// The image.
    pub image: Option<Digest>,
}

#[async_trait::async_trait]
impl Act for EnsureImage {
    fn touch(&self) -> Touch {
        Touch::Changes
    }

    fn summary(&self) -> String {
        self.image.map_or_else(String::new, |image| format!("bring image {}", image.short()))
    }

    fn is_idle(&self) -> bool {
        self.image.is_none()
    }

    /// An image may have to travel far.
    fn deadline(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        match &self.image {
            Some(image) => Ok(Outcome::noted(scene.provider.engine.ensure_image(image).await?)),
            None => Ok(Outcome::already_so()),
        }
    }
}

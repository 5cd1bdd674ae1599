//! `analyze`: the new groups are compared with the old ones by what the traffic counted.

use super::{Act, Outcome, Scene, Touch};
use crate::analysis::{Verdict, verdict};
use crate::place::GroupRef;
use crate::ports::millis;
use kiln_engine::{EngineError, Figures};
use kiln_names::GroupId;
use kiln_protocol::configuration::{Analysis, NotEnoughData};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often is looked for more requests.
const EVERY: Duration = Duration::from_secs(1);
/// What is left to say how it went.
const TO_SAY_SO: Duration = Duration::from_secs(60);

/// Ensures that the new groups are no worse than the old ones, as far as the requests so far tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analyze {
    /// Each new group, and the old one that it is compared with.
    pub pairs: Vec<(GroupRef, GroupRef)>,
    /// By what.
    pub by: Analysis,
}

#[async_trait::async_trait]
impl Act for Analyze {
    fn touch(&self) -> Touch {
        Touch::Looks
    }

    fn summary(&self) -> String {
        let pairs = self.pairs.iter().map(|(new, old)| format!("{new} with {old}"));
        format!("compare {}", pairs.collect::<Vec<_>>().join(", "))
    }

    fn is_idle(&self) -> bool {
        self.pairs.is_empty()
    }

    fn deadline(&self) -> Duration {
        self.by.patience.get() + TO_SAY_SO
    }

    fn suspects(&self) -> Vec<GroupRef> {
        self.pairs.iter().map(|(new, _)| new.clone()).collect()
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        let figures = scene.figures().await?;
        let mut told = Vec::with_capacity(self.pairs.len());
        for (new, old) in &self.pairs {
            let of = |group: &GroupRef| of(&figures, group.id);
            match verdict(&self.by, &of(new), &of(old)) {
                Verdict::Pass(why) => told.push(format!("no worse {why}")),
                Verdict::Fail(why) => return Ok(Outcome::failed(format!("{new} is worse {why}"))),
                Verdict::NotEnoughData(why) => match self.too_few(scene, why) {
                    Ok(note) => told.push(note),
                    Err(outcome) => return Ok(outcome),
                },
            }
        }
        Ok(Outcome::noted(told.join("; ")))
    }
}

impl Analyze {
    /// What follows where there are too few requests for a verdict: a note, or an outcome.
    fn too_few(&self, scene: &Scene<'_>, why: String) -> Result<String, Outcome> {
        let since = Duration::from_millis(scene.now_ms.saturating_sub(scene.since_ms));
        match self.by.not_enough_data {
            NotEnoughData::Pass => Ok(format!("not enough data: {why}")),
            NotEnoughData::Wait if millis(since) < millis(self.by.patience.get()) => {
                Err(Outcome::RetryAfter { after: EVERY, waiting_for: why })
            }
            NotEnoughData::Wait | NotEnoughData::Fail => {
                Err(Outcome::failed(format!("not enough data: {why}")))
            }
        }
    }
}

/// What was counted of a group; of one that the traffic has not heard of, nothing.
fn of(figures: &[Figures], group: GroupId) -> Figures {
    let known = figures.iter().find(|figures| figures.group == group).cloned();
    known.unwrap_or(Figures { group, by: 0, requests: 0, failed: 0, times: Vec::new() })
}

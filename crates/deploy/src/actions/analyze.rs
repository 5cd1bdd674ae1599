//! `analyze`: the new groups are compared with the old ones by what the traffic counted, and a
//! Prometheus is asked what else it knows of them.

use super::{Act, Outcome, Scene, Touch};
use crate::analysis::{Question, Questions, Verdict, judge, verdict};
use crate::place::GroupRef;
use crate::ports::millis;
use futures_util::{StreamExt as _, stream};
use kiln_engine::{EngineError, Figures};
use kiln_names::GroupId;
use kiln_protocol::configuration::{Analysis, HttpUrl, NotEnoughData};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often is looked for more requests.
const EVERY: Duration = Duration::from_secs(1);
/// How often a Prometheus is asked again, which looks every few seconds itself.
const EVERY_QUESTION: Duration = Duration::from_secs(5);
/// How much a Prometheus is asked at once: as much as it answers at once where nobody says otherwise.
const AT_ONCE: usize = 20;
/// What is left to say how it went.
const TO_SAY_SO: Duration = Duration::from_secs(60);

/// Ensures that the new groups are no worse than the old ones, as far as the requests so far and the
/// answers of a Prometheus tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analyze {
    /// Each new group, and the old one that it is compared with.
    pub pairs: Vec<(GroupRef, GroupRef)>,
    /// By what.
    pub by: Analysis,
    /// What is asked besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub questions: Option<Questions>,
}

#[async_trait::async_trait]
impl Act for Analyze {
    fn touch(&self) -> Touch {
        Touch::Looks
    }

    fn summary(&self) -> String {
        let pairs: Vec<_> =
            self.pairs.iter().map(|(new, old)| format!("{new} with {old}")).collect();
        let compare = (!pairs.is_empty()).then(|| format!("compare {}", pairs.join(", ")));
        let all = self.questions.iter().flat_map(|questions| &questions.all);
        let asked: Vec<_> =
            all.map(|asked| format!("{} ({})", asked.name, asked.bounds())).collect();
        let ask = (!asked.is_empty()).then(|| format!("ask for {}", asked.join(", ")));
        compare.into_iter().chain(ask).collect::<Vec<_>>().join("; ")
    }

    fn is_idle(&self) -> bool {
        self.pairs.is_empty() && self.questions.is_none()
    }

    fn deadline(&self) -> Duration {
        let questions = self.questions.as_ref().map_or(0, |questions| questions.all.len());
        let turns = u32::try_from(questions.div_ceil(AT_ONCE)).unwrap_or(u32::MAX);
        self.by.patience.get() + TO_SAY_SO + EVERY_QUESTION.saturating_mul(turns)
    }

    fn suspects(&self) -> Vec<GroupRef> {
        self.pairs.iter().map(|(new, _)| new.clone()).collect()
    }

    async fn run(&self, scene: &Scene<'_>) -> Result<Outcome, EngineError> {
        let verdicts = [self.compared(scene).await?, self.answered(scene).await].concat();
        let bad = |verdict: &Verdict| match verdict {
            Verdict::Fail(why) | Verdict::Unusable(why) => Some(why.clone()),
            Verdict::Pass(_) | Verdict::NotEnoughData(_) => None,
        };
        let bad: Vec<String> = verdicts.iter().filter_map(bad).collect();
        if !bad.is_empty() {
            return Ok(Outcome::failed(bad.join("; ")));
        }
        let mut told = Vec::with_capacity(verdicts.len());
        for verdict in verdicts {
            match verdict {
                Verdict::NotEnoughData(why) => match self.too_little(scene, why) {
                    Ok(note) => told.push(note),
                    Err(outcome) => return Ok(outcome),
                },
                Verdict::Pass(why) | Verdict::Fail(why) | Verdict::Unusable(why) => told.push(why),
            }
        }
        Ok(Outcome::noted(told.join("; ")))
    }
}

impl Analyze {
    /// What the traffic says.
    async fn compared(&self, scene: &Scene<'_>) -> Result<Vec<Verdict>, EngineError> {
        if self.pairs.is_empty() {
            return Ok(Vec::new());
        }
        let figures = scene.figures().await?;
        let of = |group: &GroupRef| of(&figures, group.id);
        let verdict =
            |(new, old): &(GroupRef, GroupRef)| match verdict(&self.by, &of(new), &of(old)) {
                Verdict::Pass(why) => Verdict::Pass(format!("no worse {why}")),
                Verdict::Fail(why) => Verdict::Fail(format!("{new} is worse {why}")),
                other => other,
            };
        Ok(self.pairs.iter().map(verdict).collect())
    }

    /// What a Prometheus says.
    async fn answered(&self, scene: &Scene<'_>) -> Vec<Verdict> {
        let Some(Questions { url, all }) = &self.questions else { return Vec::new() };
        let asked: Vec<_> = all.iter().map(|question| ask(scene, url, question)).collect();
        stream::iter(asked).buffered(AT_ONCE).collect().await
    }

    /// What follows where there is too little for a verdict: a note, or an outcome.
    fn too_little(&self, scene: &Scene<'_>, why: String) -> Result<String, Outcome> {
        let since = Duration::from_millis(scene.now_ms.saturating_sub(scene.since_ms));
        let after = if self.questions.is_some() { EVERY_QUESTION } else { EVERY };
        match self.by.not_enough_data {
            NotEnoughData::Pass => Ok(format!("not enough data: {why}")),
            NotEnoughData::Wait if millis(since) < millis(self.by.patience.get()) => {
                Err(Outcome::RetryAfter { after, waiting_for: why })
            }
            NotEnoughData::Wait | NotEnoughData::Fail => {
                Err(Outcome::failed(format!("not enough data: {why}")))
            }
        }
    }
}

async fn ask(scene: &Scene<'_>, url: &HttpUrl, question: &Question) -> Verdict {
    judge(question, scene.metrics.value(url, &question.query).await)
}

/// What was counted of a group; of one that the traffic has not heard of, nothing.
fn of(figures: &[Figures], group: GroupId) -> Figures {
    let known = figures.iter().find(|figures| figures.group == group).cloned();
    known.unwrap_or(Figures { group, by: 0, requests: 0, failed: 0, times: Vec::new() })
}

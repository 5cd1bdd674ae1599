//! A preparation in progress: its steps so far.

use crate::Problem;
use crate::decide::Refusal;
use crate::kit::Kit;

/// Counts steps, and turns the first no into a refusal that names its step.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) kit: &'a Kit,
    steps: Vec<(&'static str, Option<String>)>,
    /// What a person may want to know of the plan.
    pub(super) notes: Vec<String>,
}

// === impl Draft ===

impl<'a> Draft<'a> {
    pub(crate) const fn new(kit: &'a Kit) -> Self {
        Self { kit, steps: Vec::new(), notes: Vec::new() }
    }

    /// A step that reads.
    pub(super) async fn step<T>(
        &mut self,
        step: &'static str,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Refusal> {
        let result = work.await;
        self.decide(step, result)
    }

    /// A step that only thinks.
    pub(super) fn decide<T>(
        &mut self,
        step: &'static str,
        result: Result<T, Problem>,
    ) -> Result<T, Refusal> {
        match result {
            Ok(found) => {
                self.steps.push((step, None));
                Ok(found)
            }
            Err(Problem { kind, message }) => Err(Refusal { step, kind, reason: message }),
        }
    }

    /// A step that cannot say no.
    pub(super) fn done(&mut self, step: &'static str, note: impl Into<String>) {
        self.steps.push((step, Some(note.into())));
    }

    /// Says what the last step found.
    pub(super) fn found(&mut self, note: impl Into<String>) {
        if let Some((_, last)) = self.steps.last_mut() {
            *last = Some(note.into());
        }
    }

    /// The steps so far, each with what it found.
    pub(crate) fn take_steps(&mut self) -> Vec<(&'static str, Option<String>)> {
        std::mem::take(&mut self.steps)
    }
}

//! The steps of a bake or an import, one after the other, each with its time.

use crate::output::Output;
use crate::progress::Progress;
use std::time::Instant;

/// The step that is under way, and since when.
#[derive(Debug)]
pub(crate) struct Steps {
    progress: Progress,
    step: Option<(String, Instant)>,
}

impl Steps {
    pub(crate) fn new(output: Output) -> Self {
        Self { progress: Progress::new(output), step: None }
    }

    /// A step begins; the one before has ended.
    pub(crate) fn begin(&mut self, step: String) {
        self.end();
        self.progress.passing(&step, "");
        self.step = Some((step, Instant::now()));
    }

    /// The step under way said something.
    pub(crate) fn says(&mut self, line: &str) {
        let step = self.step.as_ref().map_or("", |(step, _)| step);
        self.progress.passing(step, line);
    }

    /// The last step has ended.
    pub(crate) fn end(&mut self) {
        if let Some((step, began)) = self.step.take() {
            let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.progress.done(&step, "", took);
        }
    }
}

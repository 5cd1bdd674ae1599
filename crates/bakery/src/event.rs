//! What the person who waits for a bake is told while it goes.

use kiln_protocol::bake::BakedLayer;

/// How a bake goes. Told as it happens; who reads too slowly misses output, never a step.
#[derive(Debug, Clone, PartialEq)]
pub enum BakeEvent {
    /// A step began.
    StepStarted {
        /// Its place among the steps, from 1.
        index: usize,
        /// How many steps there are.
        total: usize,
        /// What it does, as `run useradd hello`.
        step: String,
    },
    /// A step said something.
    Output {
        /// One line of it.
        line: String,
    },
    /// A step left its layer.
    StepDone {
        /// The layer, and whether it was there already.
        layer: BakedLayer,
        /// How long the step took.
        seconds: f64,
    },
}

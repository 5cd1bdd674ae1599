//! What can be made to go wrong, and when it does.

use crate::EngineError;
use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::pin::Pin;

/// One kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are the methods of Engine and Traffic")]
pub enum Operation {
    Capacity,
    EnsureImage,
    EnsureGroup,
    ResizeGroup,
    Observe,
    Ended,
    Peaks,
    Drift,
    ReplaceInstance,
    RemoveGroup,
    Logs,
    ApplyTraffic,
    ObserveTraffic,
    Figures,
}

/// How one call goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has no effect.
    Refuse(EngineError),
    /// It has its effect, and the caller is told that it failed.
    LoseReply(EngineError),
    /// It neither acts nor answers until [`SimEngine::release`](crate::sim::SimEngine::release).
    Hang,
    /// It has its effect at once, and answers when a [`Director`] says so.
    Slow,
    /// It tells of groups and instances, and of how healthy they are, what was so before the last
    /// change. Calls that tell nothing of them go well.
    Stale,
    /// It leaves out every second group that there is. Calls that tell nothing of groups go well.
    Partial,
}

/// A call, as a [`Director`] sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Called {
    /// What is called.
    pub operation: Operation,
    /// On whose authority, if it changes something.
    pub epoch: Option<u64>,
}

/// Decides when each call happens, and how it goes wrong.
pub trait Director: Send + Sync + Debug {
    /// Returns when the call happens, with what goes wrong.
    fn act(&self, called: Called) -> Pin<Box<dyn Future<Output = Option<Fault>> + Send + '_>>;

    /// Returns when a [`Fault::Slow`] call may answer.
    fn answer(&self, called: Called) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// How the instances of an image behave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// They start and pass their check.
    #[default]
    Healthy,
    /// They start and never pass their check.
    NeverHealthy {
        /// What the check answers.
        last_check: String,
    },
    /// They exit right after their start.
    Crash {
        /// Their exit code.
        code: i32,
        /// The last line that they write.
        says: String,
    },
}

/// The faults that are still to come, and the calls that have been.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) calls: Vec<Operation>,
    waiting: HashMap<Operation, VecDeque<Option<Fault>>>,
    random: Option<Random>,
}

/// A generator of 64-bit numbers. (Xorshift64*, Vigna 2016.)
#[derive(Debug)]
struct Random {
    state: u64,
    one_in: u64,
}

// === impl Operation ===

impl Operation {
    /// Whether the call leaves the world as it is.
    #[must_use]
    pub const fn only_reads(self) -> bool {
        matches!(
            self,
            Self::Capacity
                | Self::Observe
                | Self::Ended
                | Self::Peaks
                | Self::Drift
                | Self::Logs
                | Self::ObserveTraffic
                | Self::Figures
        )
    }

    /// The name of the method.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Capacity => "capacity",
            Self::EnsureImage => "ensure_image",
            Self::EnsureGroup => "ensure_group",
            Self::ResizeGroup => "resize_group",
            Self::Observe => "observe",
            Self::Ended => "ended",
            Self::Peaks => "peaks",
            Self::Drift => "drift",
            Self::ReplaceInstance => "replace_instance",
            Self::RemoveGroup => "remove_group",
            Self::Logs => "logs",
            Self::ApplyTraffic => "apply",
            Self::ObserveTraffic => "observe traffic",
            Self::Figures => "count requests",
        }
    }
}

// === impl Called ===

impl Called {
    /// A call that changes nothing.
    pub(super) const fn looking(operation: Operation) -> Self {
        Self { operation, epoch: None }
    }

    /// A call that changes something.
    pub(super) const fn changing(operation: Operation, call: crate::Call) -> Self {
        Self { operation, epoch: Some(call.epoch) }
    }
}

// === impl Faults ===

impl Faults {
    pub(super) fn inject(&mut self, operation: Operation, fault: &Fault, times: usize) {
        let waiting = self.waiting.entry(operation).or_default();
        waiting.extend(std::iter::repeat_n(Some(fault.clone()), times));
    }

    pub(super) fn inject_after(&mut self, operation: Operation, spared: usize, fault: &Fault) {
        let waiting = self.waiting.entry(operation).or_default();
        waiting.extend(std::iter::repeat_n(None, spared));
        waiting.push_back(Some(fault.clone()));
    }

    pub(super) fn at_random(&mut self, seed: u64, one_in: u64) {
        // The generator stands still at zero.
        self.random = Some(Random { state: seed.max(1), one_in: one_in.max(1) });
    }

    /// Counts the call and takes the fault that is meant for it.
    pub(super) fn next(&mut self, operation: Operation) -> Option<Fault> {
        self.calls.push(operation);
        match self.waiting.get_mut(&operation).and_then(VecDeque::pop_front) {
            Some(injected) => injected,
            None => self.random.as_mut().and_then(Random::fault),
        }
    }
}

// === impl Random ===

impl Random {
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 8
    }

    fn fault(&mut self) -> Option<Fault> {
        if !self.next().is_multiple_of(self.one_in) {
            return None;
        }
        let error = EngineError::retry("reach the provider: it is throttled");
        let kinds = [Fault::Refuse, Fault::LoseReply];
        Some(kinds[usize::from(self.next().is_multiple_of(2))](error))
    }
}

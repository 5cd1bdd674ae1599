//! One figure of Kiln's, what it should be, and what its peers reach.

/// What was measured.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    /// Its name in results.
    pub(crate) row: &'static str,
    /// In words.
    pub(crate) what: &'static str,
    pub(crate) unit: Unit,
    pub(crate) kiln: f64,
    /// What Kiln's figure should be.
    pub(crate) goal: Option<Goal>,
    pub(crate) peers: Vec<Beside>,
}

/// A peer's figure.
#[derive(Debug, Clone)]
pub(crate) struct Beside {
    pub(crate) peer: &'static str,
    /// None when the peer is missing.
    pub(crate) value: Option<f64>,
    /// What Kiln's figure divided by this should be.
    pub(crate) goal: Option<Goal>,
}

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// One divided by that, or less.
    OneIn(u32),
}

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Milliseconds,
    Megabytes,
    Requests,
    Percent,
    PerSecondAndCore,
}

impl Figure {
    pub(crate) fn new(row: &'static str, what: &'static str, unit: Unit, kiln: f64) -> Self {
        Self { row, what, unit, kiln, goal: None, peers: Vec::new() }
    }

    #[must_use]
    pub(crate) fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    #[must_use]
    pub(crate) fn beside(self, peer: &'static str, value: Option<f64>) -> Self {
        self.beside_goal(peer, value, None)
    }

    #[must_use]
    pub(crate) fn beside_goal(
        mut self,
        peer: &'static str,
        value: Option<f64>,
        goal: Option<Goal>,
    ) -> Self {
        self.peers.push(Beside { peer, value, goal });
        self
    }

    /// Kiln's figure divided by the peer's; none for a peer that is missing or has nothing.
    pub(crate) fn ratio(&self, beside: &Beside) -> Option<f64> {
        beside.value.filter(|value| *value > 0.0).map(|value| self.kiln / value)
    }
}

impl Goal {
    pub(crate) fn met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::OneIn(parts) => value * f64::from(parts) <= 1.0,
        }
    }
}

impl Unit {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Megabytes => "MB",
            Self::Requests => "requests",
            Self::Percent => "%",
            Self::PerSecondAndCore => "r/s",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_up_to_its_very_figure() {
        assert!(Goal::AtMost(80.0).met(80.0) && !Goal::AtMost(80.0).met(80.1));
        assert!(Goal::AtLeast(1.0).met(1.0) && !Goal::AtLeast(1.0).met(0.99));
        assert!(Goal::OneIn(4).met(0.25) && !Goal::OneIn(4).met(0.26));
    }
}

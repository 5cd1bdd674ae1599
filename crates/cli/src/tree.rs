//! A deployment as a tree that is drawn in place: its phases, the actions of the one under way, and the
//! groups beneath. What it shows is a fold over the events ([`Course`]), drawn by a pure function.

mod course;
mod draw;
mod groups;
mod line;
mod phase;
mod screen;

pub(crate) use course::{Course, Subject};

use draw::{Size, draw};
use kiln_protocol::Timestamp;
use kiln_protocol::deployment::{DeploymentEvent, Happening};
use screen::Screen;
use std::time::{Duration, Instant};

/// How often it is drawn: times go on by tenths of a second.
pub(crate) const EVERY: Duration = Duration::from_millis(100);

/// The tree of one deployment on the terminal.
#[derive(Debug)]
pub(crate) struct Tree {
    course: Course,
    screen: Screen,
    clock: ServerClock,
}

/// What time it is for the server, as far as its events tell.
#[derive(Debug)]
struct ServerClock {
    since: Instant,
    /// What time it was there at that instant, at least.
    at_ms: u64,
}

// === impl Tree ===

impl Tree {
    pub(crate) fn new(subject: Subject) -> Self {
        let clock = ServerClock { since: Instant::now(), at_ms: 0 };
        Self { course: Course::new(subject), screen: Screen::new(), clock }
    }

    /// Takes what happened; [`Tree::draw`] shows it.
    pub(crate) fn take(&mut self, event: &DeploymentEvent) {
        self.clock.hear(event);
        self.course.take(event);
    }

    /// The server does not answer.
    pub(crate) const fn lose(&mut self) {
        self.course.lost = true;
    }

    /// Draws it as it is now.
    pub(crate) fn draw(&mut self) {
        let size = self.screen.size();
        // What is over is drawn once and may scroll.
        let rows = if self.course.ended() { usize::MAX } else { size.rows };
        self.screen.draw(draw(&self.course, self.clock.now(), Size { rows, ..size }));
    }
}

// === impl ServerClock ===

impl ServerClock {
    /// An event tells a time that has passed there.
    fn hear(&mut self, event: &DeploymentEvent) {
        let at_beginning = event.at.0.saturating_sub(self.passed());
        // The end is told as of when it was, not as of now.
        if !matches!(event.what, Happening::Ended { .. }) {
            self.at_ms = self.at_ms.max(at_beginning);
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.at_ms.saturating_add(self.passed()))
    }

    fn passed(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;

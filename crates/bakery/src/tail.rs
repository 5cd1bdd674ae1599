//! What a step says, in lines: passed on as it comes, and the last of it kept for an error.

use crate::BakeEvent;
use std::collections::VecDeque;
use tokio::sync::mpsc::Sender;

/// How many lines an error shows. Package managers say what failed within the last twenty.
const KEPT: usize = 40;
/// Where a line is cut. Progress bars are long and nobody reads them.
const MAX_LINE: usize = 4096;
/// How much of what a step says is kept for who reads all of it: a package manager's plan.
const MAX_WHOLE: usize = 4 << 20;

/// The lines of a step.
#[derive(Debug)]
pub(crate) struct Tail {
    events: Sender<BakeEvent>,
    partial: Vec<u8>,
    /// A carriage return came: unless the line ends here, what follows overwrites it.
    returned: bool,
    last: VecDeque<String>,
    whole: String,
}

impl Tail {
    pub(crate) fn new(events: Sender<BakeEvent>) -> Self {
        Self {
            events,
            partial: Vec::new(),
            returned: false,
            last: VecDeque::new(),
            whole: String::new(),
        }
    }

    /// Takes a piece of output, which ends anywhere.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                b'\n' => self.end_line(),
                b'\r' => self.returned = true,
                _ => self.add(byte),
            }
        }
    }

    /// The last lines, and all that was said up to the limit.
    pub(crate) fn finish(mut self) -> (Vec<String>, String) {
        if !self.partial.is_empty() {
            self.end_line();
        }
        (self.last.into(), self.whole)
    }

    fn add(&mut self, byte: u8) {
        if std::mem::take(&mut self.returned) {
            self.partial.clear();
        }
        if self.partial.len() < MAX_LINE {
            self.partial.push(byte);
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.partial);
        // It goes to somebody's terminal.
        let line: String = line.chars().filter(|c| !c.is_control() || *c == '\t').collect();
        self.partial.clear();
        self.returned = false;
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        if self.whole.len() + line.len() < MAX_WHOLE {
            self.whole.push_str(&line);
            self.whole.push('\n');
        }
        self.last.push_back(line.clone());
        // Who reads too slowly, or not any more, misses it: the step does not wait for them.
        drop(self.events.try_send(BakeEvent::Output { line }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_lines_and_the_last_ones_stay() {
        let (events, mut told) = tokio::sync::mpsc::channel(100);
        let mut tail = Tail::new(events);
        (0..50).for_each(|n| tail.push(format!("line {n}\r\n").as_bytes()));
        tail.push(b"no");
        tail.push(b" end");
        let (last, whole) = tail.finish();
        assert_eq!((last.len(), last[0].as_str(), last[39].as_str()), (40, "line 11", "no end"));
        assert_eq!(whole.lines().count(), 51);
        assert_eq!(told.try_recv().unwrap(), BakeEvent::Output { line: "line 0".to_owned() });
    }

    #[test]
    fn what_a_terminal_would_overwrite_or_obey_is_left_out() {
        let (events, _told) = tokio::sync::mpsc::channel(9);
        let mut tail = Tail::new(events);
        tail.push(b" 10%\r 20%\rdone\r\n\x1b[31mred\n");
        assert_eq!(tail.finish().0, ["done", "[31mred"]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let (events, _told) = tokio::sync::mpsc::channel(1);
        let mut tail = Tail::new(events);
        tail.push(&vec![b'x'; MAX_LINE * 3]);
        assert_eq!(tail.finish().0[0].len(), MAX_LINE);
    }
}

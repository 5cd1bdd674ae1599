//! The last lines of what a command writes.

use crate::enter::{LINE_CHARACTERS, LINES};
use std::collections::VecDeque;

/// A line has no more bytes than this kept: UTF-8 takes four for a character at most.
const LINE_BYTES: usize = LINE_CHARACTERS * 4;

/// Keeps the last lines of a stream, and no more of it, however long it is.
#[derive(Default)]
pub(super) struct Tail {
    lines: VecDeque<String>,
    /// The beginning of the line that has no end yet.
    open: Vec<u8>,
}

impl Tail {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        self.extend(pieces.next().unwrap_or_default());
        for piece in pieces {
            self.close();
            self.extend(piece);
        }
    }

    /// All lines, the one without an end included.
    pub(super) fn finish(mut self) -> Vec<String> {
        if !self.open.is_empty() {
            self.close();
        }
        self.lines.into()
    }

    fn extend(&mut self, piece: &[u8]) {
        let room = LINE_BYTES - self.open.len();
        self.open.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    fn close(&mut self) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(shown(&std::mem::take(&mut self.open)));
    }
}

/// As a person may be shown it: what a terminal would obey is replaced.
fn shown(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let harmless = |character: char| match character {
        '\t' => ' ',
        it if it.is_control() => char::REPLACEMENT_CHARACTER,
        it => it,
    };
    line.trim_end_matches('\r').chars().take(LINE_CHARACTERS).map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&str], expected: &[&str]) {
        let mut tail = Tail::default();
        pieces.iter().for_each(|piece| tail.take(piece.as_bytes()));
        assert_eq!(tail.finish(), expected, "{pieces:?}");
    }

    #[test]
    fn lines_are_put_together_from_pieces() {
        check(&[], &[]);
        check(&["a"], &["a"]);
        check(&["a\n"], &["a"]);
        check(&["a", "b\nc", "\n\n", "d"], &["ab", "c", "", "d"]);
        check(&["dos\r\n"], &["dos"]);
    }

    #[test]
    fn the_last_lines_are_kept_and_their_beginnings() {
        let mut tail = Tail::default();
        for number in 0..1000 {
            tail.take(format!("{number}{}\n", "ä".repeat(2_000)).as_bytes());
        }
        let lines = tail.finish();
        assert_eq!(lines.len(), LINES);
        assert!(lines[0].starts_with("980ä") && lines[19].starts_with("999ä"));
        assert!(lines.iter().all(|line| line.chars().count() == LINE_CHARACTERS));
    }

    #[test]
    fn nothing_in_it_moves_a_cursor() {
        check(&["\x1b[2Ja\tb\x07\u{9b}"], &["\u{fffd}[2Ja b\u{fffd}\u{fffd}"]);
        let mut tail = Tail::default();
        tail.take(b"\xff\xfe");
        assert_eq!(tail.finish(), ["\u{fffd}\u{fffd}"]);
    }
}

//! From pieces of output, cut anywhere, to lines.

use kiln_container::Stream;

/// The longest line that is handed on whole, as in a log.
const MAX_LINE: usize = 64 << 10;

/// What was written of lines that have not ended yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// A line, or a piece of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) stream: Stream,
    pub(super) text: String,
    pub(super) partial: bool,
}

impl Lines {
    /// Takes what was written; answers the lines that it ends.
    pub(super) fn take(&mut self, stream: Stream, bytes: &[u8]) -> Vec<Line> {
        let held = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let mut ended = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (piece, ends) = match piece.strip_suffix(b"\n") {
                Some(piece) => (piece, true),
                None => (piece, false),
            };
            hold(held, piece, |full| ended.push(line(stream, full, true)));
            if ends {
                ended.push(line(stream, held, false));
                held.clear();
            }
        }
        ended
    }

    /// What is left at the end.
    pub(super) fn finish(self) -> Vec<Line> {
        let left = [(Stream::Stdout, self.stdout), (Stream::Stderr, self.stderr)].into_iter();
        left.filter(|(_, held)| !held.is_empty())
            .map(|(stream, held)| line(stream, &held, true))
            .collect()
    }
}

/// Adds to what is held, and hands on what has become too long to be held.
fn hold(held: &mut Vec<u8>, mut piece: &[u8], mut full: impl FnMut(&[u8])) {
    while held.len() + piece.len() > MAX_LINE {
        let (fits, rest) = piece.split_at(MAX_LINE - held.len());
        held.extend_from_slice(fits);
        full(held);
        held.clear();
        piece = rest;
    }
    held.extend_from_slice(piece);
}

fn line(stream: Stream, bytes: &[u8], partial: bool) -> Line {
    Line { stream, text: String::from_utf8_lossy(bytes).into_owned(), partial }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&str], expected: &[(&str, bool)]) {
        let mut lines = Lines::default();
        let mut found: Vec<Line> =
            pieces.iter().flat_map(|p| lines.take(Stream::Stdout, p.as_bytes())).collect();
        found.extend(lines.finish());
        let found: Vec<_> = found.iter().map(|it| (it.text.as_str(), it.partial)).collect();
        assert_eq!(found, expected, "{pieces:?}");
    }

    #[test]
    fn pieces_become_lines_and_the_last_one_may_have_no_end() {
        check(&["a\nb", "c\n", "\n"], &[("a", false), ("bc", false), ("", false)]);
        check(&["a\nb"], &[("a", false), ("b", true)]);
        check(&[], &[]);
    }

    #[test]
    fn the_two_streams_do_not_mix() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(Stream::Stdout, b"out"), []);
        let told = lines.take(Stream::Stderr, b"err\n");
        assert_eq!((told[0].stream, told[0].text.as_str()), (Stream::Stderr, "err"));
        assert_eq!(lines.finish()[0].text, "out");
    }

    #[test]
    fn a_line_that_is_too_long_comes_in_pieces() {
        let long = "x".repeat(MAX_LINE + 1);
        let whole = "x".repeat(MAX_LINE);
        check(&[&long, "\n"], &[(&whole, true), ("x", false)]);
        check(&[&whole, "\n"], &[(&whole, false)]);
    }
}

//! Bytes to events, as the HTML standard has it (section 9.2.6), without ids and retry times.

use std::collections::VecDeque;

/// The largest event: a deployment with its whole course, many times over.
const MAX_EVENT: usize = 8 << 20;

/// One event: its name, empty for the plain kind, and its data.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) data: String,
}

/// The event is larger than any that Kiln sends.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {MAX_EVENT} bytes")]
pub(super) struct TooLarge;

/// What was read and is not yet an event.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    line: Vec<u8>,
    event: Event,
    ready: VecDeque<Event>,
}

impl Decoder {
    /// Takes the next bytes, cut anywhere.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.line.extend_from_slice(&rest[..end]);
            self.end_line();
            rest = &rest[end + 1..];
        }
        self.line.extend_from_slice(rest);
        let held = self.line.len() + self.event.data.len();
        if held > MAX_EVENT { Err(TooLarge) } else { Ok(()) }
    }

    /// The next whole event.
    pub(super) fn next(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.strip_suffix('\r').unwrap_or(&line);
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => self.end_event(),
            "data" => {
                self.event.data.push_str(value);
                self.event.data.push('\n');
            }
            "event" => value.clone_into(&mut self.event.name),
            // Comments are signs of life; other fields mean nothing here.
            _ => {}
        }
    }

    fn end_event(&mut self) {
        let mut event = std::mem::take(&mut self.event);
        if event.data.pop().is_some() {
            self.ready.push_back(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(chunks: &[&str]) -> Vec<(String, String)> {
        let mut decoder = Decoder::default();
        for chunk in chunks {
            decoder.push(chunk.as_bytes()).unwrap();
        }
        std::iter::from_fn(|| decoder.next()).map(|event| (event.name, event.data)).collect()
    }

    fn check(chunks: &[&str], expected: &[(&str, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(name, data)| ((*name).to_owned(), (*data).to_owned())).collect();
        assert_eq!(decode(chunks), expected, "{chunks:?}");
    }

    #[test]
    fn an_event_ends_with_an_empty_line() {
        check(&["data: {}\n\n"], &[("", "{}")]);
        check(&["event: problem\r\ndata: 1\r\n\r\ndata:2\n\n"], &[("problem", "1"), ("", "2")]);
        check(&["data: a\ndata: b\n\n"], &[("", "a\nb")]);
        check(&["data: unfinished\n"], &[]);
    }

    #[test]
    fn bytes_may_be_cut_anywhere() {
        let whole = "event: x\ndata: ärger\n\n";
        for cut in (0..whole.len()).filter(|cut| whole.is_char_boundary(*cut)) {
            check(&[&whole[..cut], &whole[cut..]], &[("x", "ärger")]);
        }
    }

    #[test]
    fn comments_and_unknown_fields_mean_nothing() {
        check(&[":\n\n: still here\n\nid: 4\nretry: 5\ndata: 1\n\n"], &[("", "1")]);
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(&vec![b'x'; MAX_EVENT + 1]), Err(TooLarge));
    }
}

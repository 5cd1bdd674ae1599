//! Where the body of an answer ends (RFC 9112 §6 and §7.1). Pure: bytes in, pieces out.

use bytes::{Buf, Bytes};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode};

/// The longest line that says the size of a chunk, and the longest trailer.
const LINE_BYTES: usize = 8 * 1024;
/// The most lines of trailers.
const MOST_TRAILERS: usize = 100;

/// What is left of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks, each of which says its size.
    Chunks(Chunk),
    /// Everything up to the end of the connection.
    UntilClose,
}

/// What comes next in a body of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    Size,
    Data(u64),
    DataEnd,
    /// Lines up to an empty one. They are not passed on, as a router may decide (RFC 9110 §6.5.1).
    Trailers(usize),
}

/// One step through a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Data(Bytes),
    /// More bytes have to be read first.
    More,
    End,
}

/// An answer's framing has no one meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer has {0}")]
pub(super) struct Unframed(&'static str);

impl Framing {
    /// How the body after a head ends, in the order of RFC 9112 §6.3.
    pub(super) fn of(
        method: &Method,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Self, Unframed> {
        let bodiless = method == Method::HEAD
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if bodiless {
            return Ok(Self::Length(0));
        }
        if let Some(last) = headers.get_all(TRANSFER_ENCODING).iter().next_back() {
            return Ok(if is_chunked(last.as_bytes()) {
                Self::Chunks(Chunk::Size)
            } else {
                Self::UntilClose
            });
        }
        let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
        let Some(first) = lengths.next() else { return Ok(Self::UntilClose) };
        if lengths.any(|other| other != first) {
            return Err(Unframed("two lengths"));
        }
        decimal(first.as_bytes()).map(Self::Length).ok_or(Unframed("a length that is no number"))
    }

    /// Takes the next piece from what was read.
    pub(super) fn step(&mut self, read: &mut Bytes) -> Result<Step, Unframed> {
        match self {
            Self::Length(0) => Ok(Step::End),
            Self::Length(_) | Self::UntilClose if read.is_empty() => Ok(Step::More),
            Self::Length(left) => Ok(Step::Data(take(left, read))),
            Self::UntilClose => Ok(Step::Data(std::mem::take(read))),
            Self::Chunks(chunk) => chunk.step(read),
        }
    }

    /// What the end of the connection means for what is left.
    pub(super) fn ends_with_connection(self) -> bool {
        self == Self::UntilClose
    }
}

impl Chunk {
    fn step(&mut self, read: &mut Bytes) -> Result<Step, Unframed> {
        loop {
            *self = match self {
                Self::Data(0) => Self::DataEnd,
                Self::Data(_) if read.is_empty() => return Ok(Step::More),
                Self::Data(left) => return Ok(Step::Data(take(left, read))),
                Self::Size => match line(read)? {
                    None => return Ok(Step::More),
                    Some(line) => match size(&line).ok_or(Unframed("a chunk without a size"))? {
                        0 => Self::Trailers(0),
                        size => Self::Data(size),
                    },
                },
                Self::DataEnd => match line(read)? {
                    None => return Ok(Step::More),
                    Some(line) if line.is_empty() => Self::Size,
                    Some(_) => return Err(Unframed("a chunk longer than its size")),
                },
                Self::Trailers(seen) => match line(read)? {
                    None => return Ok(Step::More),
                    Some(line) if line.is_empty() => {
                        return Ok(Step::End);
                    }
                    Some(_) if *seen == MOST_TRAILERS => return Err(Unframed("endless trailers")),
                    Some(_) => Self::Trailers(*seen + 1),
                },
            };
        }
    }
}

/// At most `left` bytes, which become fewer.
fn take(left: &mut u64, read: &mut Bytes) -> Bytes {
    let length = usize::try_from(*left).map_or(read.len(), |left| left.min(read.len()));
    *left -= length as u64;
    read.split_to(length)
}

/// A whole line without its end, once it is there.
fn line(read: &mut Bytes) -> Result<Option<Bytes>, Unframed> {
    let Some(end) = read.iter().take(LINE_BYTES).position(|byte| *byte == b'\n') else {
        return if read.len() < LINE_BYTES { Ok(None) } else { Err(Unframed("an endless line")) };
    };
    let line = read.split_to(end);
    read.advance(1);
    match line.strip_suffix(b"\r") {
        Some(text) => Ok(Some(line.slice_ref(text))),
        None => Err(Unframed("a line in its chunks with half an end")),
    }
}

/// The number that a chunk's line begins with; extensions after it are passed over.
fn size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii_end();
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    plain.then(|| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())?
}

fn decimal(text: &[u8]) -> Option<u64> {
    let plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

/// Whether the last encoding of a list is `chunked`.
fn is_chunked(encodings: &[u8]) -> bool {
    let last = encodings.rsplit(|byte| *byte == b',').next().unwrap_or_default();
    last.trim_ascii().eq_ignore_ascii_case(b"chunked")
}

#[cfg(test)]
mod tests;

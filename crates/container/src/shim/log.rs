//! The log of one instance: lines with their time, in files of bounded size.
//!
//! Written in the form of Kubernetes's container runtime interface, so that the usual collectors
//! read it: `TIME STREAM TAG TEXT`, with tag `F` for a whole line or the last piece of one, and `P`
//! for a piece that goes on. Times are those of reading.

use crate::attached::Stream;
use crate::clock::Timestamp;
use crate::record::LOG_FILES;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The longest line that is kept in one piece.
const MAX_LINE: usize = 64 << 10;
/// The size from which a file is put aside.
const MAX_FILE: u64 = 10 << 20;
/// How much is gathered before it is written.
const BATCH: usize = 64 << 10;

/// A log.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    size: u64,
    max_file: u64,
    /// The beginnings of lines whose ends have not come yet, per stream.
    open: [Vec<u8>; 2],
    batch: Vec<u8>,
    batched: u64,
    dropped: u64,
}

impl Log {
    /// Opens the log in `dir`, behind what an earlier one wrote.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        Self::with_max_file(dir, MAX_FILE)
    }

    fn with_max_file(dir: &Path, max_file: u64) -> io::Result<Self> {
        let path = dir.join("log");
        let file = append(&path)?;
        let size = file.metadata()?.len();
        let open = [Vec::new(), Vec::new()];
        let batch = Vec::new();
        Ok(Self { path, file, size, max_file, open, batch, batched: 0, dropped: 0 })
    }

    /// Writes the whole lines among what was read, and keeps the rest for later. Never fails: lines
    /// that cannot be written are dropped and counted, and the count is written when there is room.
    pub(super) fn take(&mut self, stream: Stream, bytes: &[u8], now: Timestamp) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) => self.extend(stream, end, now).end_line(stream, now),
                None => drop(self.extend(stream, piece, now)),
            }
        }
        self.flush(now);
    }

    /// Writes the lines that never ended.
    pub(super) fn finish(&mut self, now: Timestamp) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.open[stream.index()].is_empty() {
                self.end_line(stream, now);
            }
        }
        self.flush(now);
    }

    /// Adds to a line, and cuts off a piece each time it gets too long.
    fn extend(&mut self, stream: Stream, mut bytes: &[u8], now: Timestamp) -> &mut Self {
        loop {
            let line = &mut self.open[stream.index()];
            let room = MAX_LINE - line.len();
            if bytes.len() <= room {
                line.extend_from_slice(bytes);
                return self;
            }
            line.extend_from_slice(&bytes[..room]);
            bytes = &bytes[room..];
            self.emit(stream, 'P', now);
        }
    }

    fn end_line(&mut self, stream: Stream, now: Timestamp) {
        self.emit(stream, 'F', now);
    }

    fn emit(&mut self, stream: Stream, tag: char, now: Timestamp) {
        let mut text = std::mem::take(&mut self.open[stream.index()]);
        self.line(stream, tag, &text, now);
        text.clear();
        // The buffer is kept; a single long line is no reason to hold its memory for ever.
        if text.capacity() <= BATCH / 8 {
            self.open[stream.index()] = text;
        }
        if self.batch.len() >= BATCH {
            self.flush(now);
        }
    }

    fn line(&mut self, stream: Stream, tag: char, text: &[u8], now: Timestamp) {
        write!(self.batch, "{now} {stream} {tag} ").expect("a Vec takes any bytes");
        self.batch.extend_from_slice(text);
        self.batch.push(b'\n');
        self.batched += 1;
    }

    fn flush(&mut self, now: Timestamp) {
        if self.batch.is_empty() {
            return;
        }
        let lines = std::mem::take(&mut self.batched);
        if self.tell_dropped(now).and_then(|()| self.append_batch()).is_err() {
            self.dropped += lines;
        }
        self.batch.clear();
        self.batch.shrink_to(BATCH);
    }

    /// Says first how many lines are missing, in a write of its own.
    fn tell_dropped(&mut self, now: Timestamp) -> io::Result<()> {
        if self.dropped == 0 {
            return Ok(());
        }
        let text = format!("[kiln: {} lines are missing, the disk was full]", self.dropped);
        let batch = std::mem::take(&mut self.batch);
        self.line(Stream::Stderr, 'F', text.as_bytes(), now);
        self.batched = 0;
        let written = self.append_batch();
        self.batch = batch;
        written.map(|()| self.dropped = 0)
    }

    /// Appends the batch, all of it or nothing.
    fn append_batch(&mut self) -> io::Result<()> {
        if self.size >= self.max_file {
            self.rotate()?;
        }
        let written = self.file.write_all(&self.batch);
        match written {
            Ok(()) => self.size += self.batch.len() as u64,
            // Half a line would read as somebody's words.
            Err(_) => self.file.set_len(self.size)?,
        }
        written
    }

    fn rotate(&mut self) -> io::Result<()> {
        let aged = |age: u32| self.path.with_file_name(format!("log.{age}"));
        for age in (1..LOG_FILES - 1).rev() {
            match std::fs::rename(aged(age), aged(age + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        std::fs::rename(&self.path, aged(1))?;
        self.file = append(&self.path)?;
        self.size = 0;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests;

//! HTTP over a Unix socket: enough to ask dockerd, and to give Kiln's router a table.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A socket that somebody serves HTTP on.
#[derive(Debug, Clone)]
pub(crate) struct Socket(pub(crate) PathBuf);

impl Socket {
    /// The JSON at a path.
    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        serde_json::from_str(&self.exchange("GET", path, "")?).context("read the answer's JSON")
    }

    /// Puts a document to a path.
    pub(crate) fn put(&self, path: &str, body: &str) -> Result<()> {
        self.exchange("PUT", path, body).map(drop)
    }

    /// A request of HTTP/1.0, whose answer ends with its connection.
    fn exchange(&self, method: &str, path: &str, body: &str) -> Result<String> {
        let socket = &self.0;
        let mut stream =
            UnixStream::connect(socket).with_context(|| format!("connect {}", socket.display()))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nhost: local\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).context("read an answer")?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no head")?;
        let good = head.split(' ').nth(1).is_some_and(|status| status.starts_with('2'));
        ensure!(good, "{method} {path}: {answer}");
        Ok(body.to_owned())
    }
}

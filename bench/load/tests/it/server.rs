//! A server of this process that works, or fails in a chosen way.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What it does with every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Answers: with the body that came, or 128 KiB for `/slow`.
    Works,
    /// Promises more than it sends.
    BreaksOff,
    /// Answers 503.
    Fails,
    /// Sends the body back with its last byte changed.
    Garbles,
    /// Answers and closes the connection.
    ClosesAfterEach,
    /// Answers, but nothing for that long after its hundredth request.
    PausesOnce(Duration),
}

/// A listening server; it ends with the process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(0));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let requests = requests.clone();
                std::thread::spawn(move || serve(stream, behaviour, &requests));
            }
        });
        Self { address }
    }
}

/// Serves a connection until either side has enough of it.
fn serve(stream: TcpStream, behaviour: Behaviour, requests: &Mutex<u64>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    if behaviour == Behaviour::ClosesAfterEach {
        // The end of the connection comes in one piece with the answer: no request fits between.
        rustix::net::sockopt::set_tcp_cork(&writer, true).ok()?;
    }
    loop {
        let (path, mut body) = request(&mut reader)?;
        count(requests, behaviour);
        if path == "/slow" {
            body = vec![b'.'; 128 << 10];
        }
        if let (Behaviour::Garbles, Some(last)) = (behaviour, body.last_mut()) {
            *last ^= 1;
        }
        let (status, body) = match behaviour {
            Behaviour::Fails => ("503 Service Unavailable", b"not now".to_vec()),
            _ => ("200 OK", body),
        };
        let promised = body.len() + usize::from(behaviour == Behaviour::BreaksOff);
        let head =
            format!("HTTP/1.1 {status}\r\nx-version: one\r\ncontent-length: {promised}\r\n\r\n");
        writer.write_all(head.as_bytes()).ok()?;
        writer.write_all(&body).ok()?;
        if matches!(behaviour, Behaviour::BreaksOff | Behaviour::ClosesAfterEach) {
            return None;
        }
    }
}

/// Counts a request. While one of them pauses, all wait for their turn to be counted.
#[expect(clippy::disallowed_methods, reason = "a server that hangs")]
fn count(requests: &Mutex<u64>, behaviour: Behaviour) {
    let mut requests = requests.lock().unwrap();
    *requests += 1;
    if let (Behaviour::PausesOnce(span), 100) = (behaviour, *requests) {
        std::thread::sleep(span);
    }
}

fn request(reader: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, body))
}

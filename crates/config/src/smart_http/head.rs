//! The head of an answer, as CGI programs write it. (RFC 3875 §6)

use super::AskError;
use crate::git::GitError;
use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc::Receiver;

/// The longest head; git's has some 200 bytes.
const MAX_HEAD: usize = 8 << 10;

/// The head of an answer, and what of the body came with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) first: Bytes,
}

impl Head {
    /// Reads pieces until the head is whole.
    pub(super) async fn read(
        pieces: &mut Receiver<Result<Bytes, AskError>>,
    ) -> Result<Self, AskError> {
        let mut text = BytesMut::new();
        while let Some(piece) = pieces.recv().await {
            text.extend_from_slice(&piece?);
            if let Some((end, body)) = end_of_head(&text) {
                let first = text.split_off(body).freeze();
                return Ok(Self::parse(&text[..end], first)?);
            }
            if text.len() > MAX_HEAD {
                break;
            }
        }
        Err(unknown(&text).into())
    }

    fn parse(head: &[u8], first: Bytes) -> Result<Self, GitError> {
        let mut status = 200;
        let mut headers = Vec::new();
        for line in String::from_utf8_lossy(head).lines() {
            let (name, value) = line.split_once(':').ok_or_else(|| unknown(head))?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("status") {
                let number = value.split(' ').next().and_then(|number| number.parse().ok());
                status = number.ok_or_else(|| unknown(head))?;
            } else {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok(Self { status, headers, first })
    }
}

/// Where the head's last line ends and where the body begins.
fn end_of_head(text: &[u8]) -> Option<(usize, usize)> {
    let at = |separator: &[u8]| text.windows(separator.len()).position(|it| it == separator);
    let ends = [at(b"\r\n\r\n").map(|end| (end, end + 4)), at(b"\n\n").map(|end| (end, end + 2))];
    ends.into_iter().flatten().min()
}

fn unknown(text: &[u8]) -> GitError {
    let shown = &text[..text.len().min(200)];
    GitError::Answer(String::from_utf8_lossy(shown).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    async fn read(pieces: &[&str]) -> Result<Head, AskError> {
        let (sender, mut receiver) = mpsc::channel(pieces.len() + 1);
        for piece in pieces {
            sender.send(Ok(Bytes::copy_from_slice(piece.as_bytes()))).await.unwrap();
        }
        drop(sender);
        Head::read(&mut receiver).await
    }

    #[tokio::test]
    async fn a_head_may_come_in_pieces_and_with_a_part_of_the_body() {
        let head = read(&["Status: 404 Not Fo", "und\r\nContent-Type: text/plain\r", "\n\r\nno"]);
        let head = head.await.unwrap();
        assert_eq!((head.status, &*head.first), (404, b"no".as_slice()));
        assert_eq!(head.headers, [("Content-Type".to_owned(), "text/plain".to_owned())]);
        assert_eq!(read(&["A: b\n\n"]).await.unwrap().status, 200);
    }

    #[tokio::test]
    async fn an_answer_that_is_none_is_an_error() {
        let long = "x".repeat(MAX_HEAD + 1);
        for bad in ["", "A: b\r\n", "fatal\n\n", "Status: x\n\n", &long] {
            assert!(read(&[bad]).await.is_err(), "{bad}");
        }
    }
}

//! Bodies cut at every place.

use super::*;
use http::{HeaderName, HeaderValue};

fn of(
    method: Method,
    status: u16,
    lines: &[(&'static str, &'static str)],
) -> Result<Framing, Unframed> {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Framing::of(&method, StatusCode::from_u16(status).unwrap(), &headers)
}

#[test]
fn the_head_says_how_the_body_ends() {
    let chunks = Framing::Chunks(Chunk::Size);
    let check = |lines, expected| assert_eq!(of(Method::GET, 200, lines), Ok(expected));
    check(&[], Framing::UntilClose);
    check(&[("content-length", "7")], Framing::Length(7));
    check(&[("content-length", "7"), ("content-length", "7")], Framing::Length(7));
    check(&[("transfer-encoding", "gzip, Chunked")], chunks);
    check(&[("transfer-encoding", "gzip"), ("transfer-encoding", "chunked")], chunks);
    check(&[("transfer-encoding", "chunked, gzip")], Framing::UntilClose);
    check(&[("content-length", "7"), ("transfer-encoding", "chunked")], chunks);
}

#[test]
fn answers_without_a_body_have_none_whatever_their_head_says() {
    let lines = &[("content-length", "7")];
    for (method, status) in [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 304)] {
        assert_eq!(of(method, status, lines), Ok(Framing::Length(0)));
    }
}

#[test]
fn lengths_of_two_meanings_are_refused() {
    for lines in [
        &[("content-length", "7"), ("content-length", "8")][..],
        &[("content-length", "+7")],
        &[("content-length", "7, 7")],
        &[("content-length", "")],
        &[("content-length", "18446744073709551616")],
    ] {
        assert!(of(Method::GET, 200, lines).is_err(), "{lines:?}");
    }
}

/// The data of `text` given in pieces of `piece` bytes, and what is left after the end.
fn read(mut framing: Framing, text: &str, piece: usize) -> Result<(String, String), Unframed> {
    let (mut data, mut read) = (Vec::new(), Bytes::new());
    let mut rest = text.as_bytes().chunks(piece);
    loop {
        match framing.step(&mut read)? {
            Step::Data(bytes) => data.extend_from_slice(&bytes),
            Step::More => match rest.next() {
                Some(more) => read = Bytes::from([&read[..], more].concat()),
                None => return Err(Unframed("nothing more")),
            },
            Step::End => {
                let left = [&read[..], &rest.collect::<Vec<_>>().concat()].concat();
                return Ok((String::from_utf8(data).unwrap(), String::from_utf8(left).unwrap()));
            }
        }
    }
}

#[test]
fn a_body_is_the_same_however_it_is_cut() {
    let chunked = "3\r\nabc\r\n00A;x=\"y\"\r\n0123456789\r\n1 \r\n\n\r\n0\r\nx: y\r\n\r\nnext";
    for piece in 1..=chunked.len() {
        let chunks = read(Framing::Chunks(Chunk::Size), chunked, piece).unwrap();
        assert_eq!(chunks, ("abc0123456789\n".to_owned(), "next".to_owned()));
        let length = read(Framing::Length(5), "helloworld", piece).unwrap();
        assert_eq!(length, ("hello".to_owned(), "world".to_owned()));
    }
}

#[test]
fn chunks_of_two_meanings_are_refused() {
    let endless_line = "1;".to_owned() + &"x".repeat(LINE_BYTES);
    let endless_trailers = "0\r\n".to_owned() + &"x: y\r\n".repeat(MOST_TRAILERS + 1);
    for text in [
        "\r\n",
        "x\r\n",
        "+1\r\na\r\n0\r\n\r\n",
        "0x1\r\na\r\n0\r\n\r\n",
        "1\na\r\n0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "10000000000000000\r\n",
        &endless_line,
        &endless_trailers,
    ] {
        let refused = read(Framing::Chunks(Chunk::Size), text, 7).unwrap_err();
        assert_ne!(refused, Unframed("nothing more"), "{text}");
    }
}

//! Heads as instances get and give them.

use super::*;

fn written(body: RequestBody, lines: &[(&str, &str)]) -> String {
    let mut request = Request::post("/a?b");
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    String::from_utf8(write(&request.body(body).unwrap(), None)).unwrap()
}

#[test]
fn a_requests_framing_is_that_of_the_body_at_hand() {
    let claims = [("content-length", "9"), ("x", "y"), ("transfer-encoding", "chunked")];
    let whole = RequestBody::Whole(Bytes::from_static(b"abc"));
    let expected = "POST /a?b HTTP/1.1\r\nx: y\r\ncontent-length: 3\r\n\r\n";
    assert_eq!(written(whole, &claims), expected);
    assert_eq!(written(RequestBody::Empty, &claims), expected.replace('3', "0"));
    assert_eq!(written(RequestBody::Empty, &[]), "POST /a?b HTTP/1.1\r\n\r\n");
}

fn head(text: &'static str) -> Result<Option<(Head, Bytes)>, NoHead> {
    let mut bytes = Bytes::from_static(text.as_bytes());
    let head = read(&mut bytes, &Method::GET, &mut HeaderMap::new())?;
    Ok(head.map(|head| (head, bytes)))
}

#[test]
fn interim_answers_are_passed_over() {
    let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n\
                HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx";
    let (head, rest) = head(text).unwrap().unwrap();
    assert_eq!((head.response.status(), head.framing), (StatusCode::OK, Framing::Length(1)));
    assert!(!head.response.headers().contains_key("link"));
    assert_eq!(rest, "x");
}

#[test]
fn a_head_is_there_when_all_of_it_is() {
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n";
    for end in 0..text.len() {
        assert!(head(&text[..end]).unwrap().is_none(), "{end}");
    }
    assert!(head(text).unwrap().is_some());
}

#[test]
fn what_is_no_answer_is_refused() {
    for text in
        ["SMTP ready\r\n\r\n", "HTTP/1.1 200 OK\r\na b: c\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n"]
    {
        assert!(head(text).is_err(), "{text}");
    }
    let endless = ["HTTP/1.1 200 OK\r\nx: ", &"y".repeat(HEAD_BYTES)].concat();
    let mut bytes = Bytes::from(endless);
    assert!(matches!(read(&mut bytes, &Method::GET, &mut HeaderMap::new()), Err(NoHead::TooLarge)));
}

#[test]
fn a_connection_is_kept_as_its_instance_says() {
    let check = |text, expected| assert_eq!(head(text).unwrap().unwrap().0.keeps, expected);
    check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", true);
    check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: x, Close\r\n\r\n", false);
    check("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", false);
    check("HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n", true);
    check("HTTP/1.1 200 OK\r\n\r\n", false);
    check("HTTP/1.1 101 Switching\r\n\r\n", false);
}

//! Requests that HTTP/2 forbids, as hand-made frames. None of them reaches the service. A frame
//! that cannot be read ends its connection; a request that can be read and is invalid ends only its
//! stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Response;
use volga_http::Server;

use crate::support::{EMPTY_SETTINGS, PREFACE, RawFrame, Running, TestBody, raw_get, send};

const PROTOCOL_ERROR: [u8; 4] = [0, 0, 0, 1];
/// `:status: 400` of the static table.
const STATUS_400: u8 = 0x80 | 12;
const STATUS_200: u8 = 0x80 | 8;

type Fields = Vec<(&'static str, &'static str)>;

const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];

/// A GET with additional fields.
fn with(more: &[(&'static str, &'static str)]) -> Fields {
    [&GET, more].concat()
}

/// A GET in which the field of this name has another value or is missing.
fn but(name: &str, value: Option<&'static str>) -> Fields {
    let change = |(given, old)| (given, if given == name { value } else { Some(old) });
    GET.into_iter().map(change).filter_map(|(name, value)| Some((name, value?))).collect()
}

/// HEADERS with END_STREAM and END_HEADERS, each field a literal without a table.
fn headers(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).expect("a short text"));
            block.extend_from_slice(text.as_bytes());
        }
    }
    let length = (block.len() as u32).to_be_bytes();
    [&length[1..], &[1, 5], &stream.to_be_bytes(), &block].concat()
}

#[tokio::test]
async fn requests_that_http2_forbids_are_refused() {
    const HEADERS: u8 = 1;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let server = Running::start(Server::new(), move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Response::new(TestBody::default()) }
    })
    .await;
    let unreadable = [
        ("a name in capitals", with(&[("X-Name", "v")])),
        ("a blank in a name", with(&[("x name", "v")])),
        ("a colon in a name", with(&[("x:name", "v")])),
        ("an empty name", with(&[("", "v")])),
        ("NUL in a value", with(&[("x-name", "a\0b")])),
        ("CR in a value", with(&[("x-name", "a\rb")])),
        ("LF in a value", with(&[("x-name", "a\nb: c")])),
        ("an unknown pseudo-header", with(&[(":name", "v")])),
        ("an empty method", but(":method", Some(""))),
        ("a method with a blank", but(":method", Some("GET /b"))),
    ];
    let malformed = [
        ("connection", with(&[("connection", "close")])),
        ("keep-alive", with(&[("keep-alive", "timeout=5")])),
        ("proxy-connection", with(&[("proxy-connection", "close")])),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")])),
        ("upgrade", with(&[("upgrade", "h2c")])),
        ("te that is not trailers", with(&[("te", "gzip")])),
        ("no method", but(":method", None)),
        ("no scheme", but(":scheme", None)),
        ("no path", but(":path", None)),
        ("an empty path", but(":path", Some(""))),
        ("a path with a blank", but(":path", Some("/a b"))),
        ("a path with LF", but(":path", Some("/a\nb"))),
        ("two paths", with(&[(":path", "/b")])),
        ("a pseudo-header after a field", [&[("x", "y")][..], &GET].concat()),
        ("a pseudo-header of responses", with(&[(":status", "200")])),
        ("a length without content", with(&[("content-length", "5")])),
        ("a length with a sign", with(&[("content-length", "+0")])),
        ("a list of lengths", with(&[("content-length", "0, 0")])),
    ];
    let refused = [
        ("a user in the authority", but(":authority", Some("u@a"))),
        ("two hosts in the authority", but(":authority", Some("a,b"))),
        ("another host", with(&[("host", "b")])),
        ("two hosts", with(&[("host", "a"), ("host", "a")])),
        ("neither authority nor host", but(":authority", None)),
        ("two lengths", with(&[("content-length", "0"), ("content-length", "0")])),
    ];
    for (what, fields) in unreadable {
        let mut client = server.connect().await;
        send(&mut client, &[PREFACE, EMPTY_SETTINGS, &headers(1, &fields)].concat()).await;
        let end = RawFrame::read_kind(&mut client, RawFrame::GOAWAY).await;
        assert_eq!(end.payload[4..8], PROTOCOL_ERROR, "{what}");
    }
    let mut client = server.connect().await;
    send(&mut client, &[PREFACE, EMPTY_SETTINGS].concat()).await;
    let mut streams = (1..).step_by(2);
    for (what, fields) in malformed {
        let stream = streams.next().expect("enough");
        send(&mut client, &headers(stream, &fields)).await;
        let response = loop {
            let frame = RawFrame::read(&mut client).await;
            if frame.stream == stream {
                break frame;
            }
        };
        let expect = (RawFrame::RST_STREAM, &PROTOCOL_ERROR[..]);
        assert_eq!((response.kind, &response.payload[..]), expect, "{what}");
    }
    for (what, fields) in refused {
        let stream = streams.next().expect("enough");
        send(&mut client, &headers(stream, &fields)).await;
        let response = RawFrame::read_kind(&mut client, HEADERS).await;
        assert_eq!((response.stream, response.payload[0]), (stream, STATUS_400), "{what}");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0, "none reaches the service");
    let stream = streams.next().expect("enough");
    send(&mut client, &raw_get(stream)).await;
    let response = RawFrame::read_kind(&mut client, HEADERS).await;
    assert_eq!((response.stream, response.payload[0]), (stream, STATUS_200), "a proper request");
}

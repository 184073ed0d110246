//! hyper's client reads what our server writes: each response must arrive as the service made it.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::io::duplex;

use super::super::testing::{http1 as ours, serve_all};
use super::config;
use crate::drain::handle::Drain;
use crate::exchange::long_lived_response::LongLivedResponse;

/// A request, and the service's response.
#[derive(Clone, Debug)]
struct Exchange {
    method: Method,
    takes_trailers: bool,
    status: StatusCode,
    fields: Vec<(HeaderName, HeaderValue)>,
    pieces: Vec<&'static str>,
    length: LengthSource,
    trailers: bool,
    is_long_lived: bool,
    /// The service closes the connection with this response.
    closes: bool,
}

/// How the service gives the length of its body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum LengthSource {
    Unknown,
    Hint,
    Field,
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let request =
        (select(vec![Method::GET, Method::GET, Method::POST, Method::HEAD]), any::<bool>());
    let statuses = vec![200, 200, 200, 201, 204, 205, 206, 304, 404, 418, 500, 599, 799];
    let fields = vec![
        ("content-type", "text/plain"),
        ("x-empty", ""),
        ("x-bytes", "\u{e9}"),
        ("x-many", "1"),
        ("x-many", "2"),
        ("set-cookie", "a=1; Path=/"),
        ("etag", "\"x\""),
        ("server", "own"),
    ];
    let head = (select(statuses), prop::collection::vec(select(fields), 0..4));
    let long = "x".repeat(20_000).leak();
    let pieces = prop::collection::vec(select(vec!["", "a", "\r\n0\r\n\r\n", "text", long]), 0..5);
    let length = select(vec![LengthSource::Unknown, LengthSource::Hint, LengthSource::Field]);
    (request, head, pieces, length, any::<bool>(), any::<bool>(), prop::bool::weighted(0.1))
        .prop_map(|(request, (status, fields), pieces, length, trailers, is_long_lived, closes)| {
            let field = |(name, value): (&'static str, &'static str)| {
                let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
                (HeaderName::from_static(name), value)
            };
            Exchange {
                method: request.0,
                takes_trailers: request.1,
                status: StatusCode::from_u16(status).expect("a status"),
                fields: fields.into_iter().map(field).collect(),
                pieces,
                length,
                trailers,
                is_long_lived,
                closes,
            }
        })
}

impl Exchange {
    fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = self.method.clone();
        request.headers_mut().insert("host", HeaderValue::from_static("a"));
        if self.takes_trailers {
            request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        }
        request
    }

    fn response(&self) -> Response<Pieces> {
        let pieces: VecDeque<_> = self.pieces.iter().copied().collect();
        let hint = (self.length == LengthSource::Hint).then_some(self.len() as u64);
        let body = Pieces { pieces, hint, trailers: self.trailers, waits: false };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        for (name, value) in &self.fields {
            headers.append(name, value.clone());
        }
        headers.extend(self.framing());
        if self.is_long_lived {
            response.extensions_mut().insert(LongLivedResponse);
        }
        response
    }

    /// The fields with which the service frames its response.
    fn framing(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.length == LengthSource::Field {
            headers.insert(CONTENT_LENGTH, self.len().into());
        }
        if self.trailers {
            headers.insert(TRAILER, HeaderValue::from_static("x-sum"));
        }
        if self.closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        headers
    }

    /// What the client must see.
    fn expected(&self) -> ObservedResponse {
        // RFC 9110, sections 6.4.1, 15.3.5 and 15.4.5.
        let has_no_body = self.method == Method::HEAD
            || [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED]
                .contains(&self.status);
        let is_chunked =
            !has_no_body && self.length == LengthSource::Unknown && !self.pieces_ended();
        // A client gets trailers only if it said that it accepts them (RFC 9110, section 6.5.1).
        let has_trailers = self.trailers && self.takes_trailers && is_chunked;
        let sum = || HeaderMap::from_iter([sum()]);
        ObservedResponse {
            status: self.status,
            fields: sorted(&self.fields),
            body: if has_no_body { String::new() } else { self.pieces.concat() },
            trailers: has_trailers.then(sum),
        }
    }

    /// Whether the body says before its first frame that it is over.
    fn pieces_ended(&self) -> bool {
        self.pieces.is_empty() && !self.trailers
    }
}

fn sum() -> (HeaderName, HeaderValue) {
    (HeaderName::from_static("x-sum"), HeaderValue::from_static("1"))
}

/// A body that returns its pieces, each second one after a wait.
struct Pieces {
    pieces: VecDeque<&'static str>,
    hint: Option<u64>,
    trailers: bool,
    waits: bool,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.waits = !self.waits;
        if self.waits && self.pieces.len() % 2 == 1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(piece) = self.pieces.pop_front() {
            self.hint = self.hint.map(|left| left - piece.len() as u64);
            return Poll::Ready(Some(Ok(Frame::data(piece.into()))));
        }
        let trailers = std::mem::take(&mut self.trailers);
        Poll::Ready(trailers.then(|| Ok(Frame::trailers(HeaderMap::from_iter([sum()])))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && !self.trailers
    }

    fn size_hint(&self) -> SizeHint {
        self.hint.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// What a client sees of a response.
#[derive(Debug, Eq, PartialEq)]
struct ObservedResponse {
    status: StatusCode,
    fields: Vec<(HeaderName, HeaderValue)>,
    body: String,
    trailers: Option<HeaderMap>,
}

/// Fields of different names have no order; those of one name keep theirs.
fn sorted(fields: &[(HeaderName, HeaderValue)]) -> Vec<(HeaderName, HeaderValue)> {
    let mut fields = fields.to_vec();
    fields.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
    fields
}

/// Reads a response to its end. The fields of the framing are checked here, and the others are
/// returned.
async fn read(exchange: &Exchange, response: Response<hyper::body::Incoming>) -> ObservedResponse {
    let (mut head, body) = response.into_parts();
    let headers = &mut head.headers;
    let length = headers.remove(CONTENT_LENGTH);
    assert!(headers.remove(DATE).is_some(), "a date (RFC 9110, section 6.6.1)");
    let codings: Vec<_> = headers.get_all(TRANSFER_ENCODING).iter().cloned().collect();
    if head.status == StatusCode::NO_CONTENT {
        assert_eq!((&length, codings.len()), (&None, 0), "RFC 9110, section 8.6");
    }
    assert!(length.is_none() || codings.is_empty(), "RFC 9112, section 6.2");
    if let Some(length) = length {
        let is_reset = head.status == StatusCode::RESET_CONTENT;
        let expected = if is_reset { 0 } else { exchange.len() };
        assert_eq!(length, expected.to_string(), "the length of what GET gets");
    }
    [TRANSFER_ENCODING, TRAILER, CONNECTION].iter().for_each(|name| _ = headers.remove(name));
    let fields: Vec<_> =
        head.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let body = body.collect().await.expect("a whole body");
    let trailers = body.trailers().cloned();
    let body = String::from_utf8(body.to_bytes().to_vec()).expect("text");
    ObservedResponse { status: head.status, fields: sorted(&fields), body, trailers }
}

async fn check(exchanges: Vec<Exchange>, width: usize) {
    let (client, server) = duplex(width);
    let responses: VecDeque<_> = exchanges.iter().cloned().collect();
    let responses = Arc::new(Mutex::new(responses));
    let serving = tokio::spawn(serve_all(ours(&Drain::new()), server, move |_| {
        responses.lock().expect("no panic").pop_front().expect("a response for each").response()
    }));
    let (mut sender, connection) = http1::handshake(TokioIo::new(client)).await.expect("memory");
    let connection = tokio::spawn(connection);
    for exchange in &exchanges {
        sender.ready().await.expect("the connection is kept alive");
        let response = sender.send_request(exchange.request()).await.expect("a response");
        assert_eq!(read(exchange, response).await, exchange.expected(), "{exchange:?}");
        if exchange.closes {
            assert!(sender.ready().await.is_err(), "closed after {exchange:?}");
            break;
        }
    }
    drop(sender);
    connection.await.expect("no panic").expect("a clean end");
    serving.await.expect("no panic");
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn hypers_client_reads_each_response_as_the_service_gave_it(
        exchanges in prop::collection::vec(exchange(), 1..5),
        width in select(vec![256, 4_096, 1024 * 1024]),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(check(exchanges, width));
    }
}

//! The same bytes to this server and to hyper, which is the oracle: what is accepted here, hyper reads in the same way. To refuse more is allowed, to take more is not.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioIo, TokioTimer};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tower_service::Service;

use super::testing::{http1, requests};
use super::{Http1, Next};
use crate::drain::handle::Drain;
use crate::exchange::request_body::RequestBody;
use crate::limits::{DEFAULT_HEADER_READ_TIMEOUT, MAX_HEAD_BYTES};

type Fields = Vec<(String, Vec<u8>)>;

/// What a service sees of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Seen {
    head: String,
    fields: Fields,
    body: Came,
}

/// What a body came to.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Came {
    /// Its end is still to come.
    Partly,
    Malformed,
    /// With its trailers.
    Whole(Vec<u8>, Fields),
}

type Log = Arc<Mutex<Vec<Seen>>>;

/// In the order of their names, which says nothing; that of the values of one name stays.
fn fields(headers: &http::HeaderMap) -> Fields {
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), value.as_bytes().to_vec())
    };
    let mut fields: Fields = headers.iter().map(pair).collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    fields
}

/// Reads a request to its end, notes it, and answers.
async fn note<B>(request: Request<B>, log: Log) -> Result<Response<Empty<Bytes>>, Infallible>
where
    B: Body<Data = Bytes>,
{
    let (parts, body) = request.into_parts();
    let head = format!("{} {} {:?}", parts.method, parts.uri, parts.version);
    let seen = Seen { head, fields: fields(&parts.headers), body: Came::Partly };
    log.lock().expect("no panic").push(seen);
    let came = match body.collect().await {
        Ok(body) => {
            let trailers = body.trailers().map(fields).unwrap_or_default();
            Came::Whole(body.to_bytes().to_vec(), trailers)
        }
        Err(_) => Came::Malformed,
    };
    // One request of a connection runs at a time.
    log.lock().expect("no panic").last_mut().expect("it was noted").body = came;
    Ok(Response::default())
}

#[derive(Clone)]
struct Noting(Log);

impl Service<Request<RequestBody>> for Noting {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        Box::pin(note(request, Arc::clone(&self.0)))
    }
}

async fn ours(http1: Arc<Http1>, io: DuplexStream, log: Log) {
    let next = http1.serve(io, Bytes::new(), requests(Noting(log))).await;
    if let Next::Linger(io) = next {
        http1.linger(io).await;
    }
}

async fn hypers(io: DuplexStream, log: Log) {
    let service = hyper::service::service_fn(move |request| note(request, Arc::clone(&log)));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(DEFAULT_HEADER_READ_TIMEOUT)
        .max_header_size(MAX_HEAD_BYTES as usize);
    let _ = builder.serve_connection(TokioIo::new(io), service).await;
}

/// What a server sees that is sent these bytes, in pieces of this size. The clock is paused, so who waits for more is given up at once.
fn seen<F>(sent: &[u8], size: usize, serve: impl FnOnce(DuplexStream, Log) -> F) -> Vec<Seen>
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
    let log = Log::default();
    runtime.block_on(async {
        let (mut client, server) = duplex(1024 * 1024);
        let serving = tokio::spawn(serve(server, Arc::clone(&log)));
        for piece in sent.chunks(size) {
            if client.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let day = Duration::from_secs(24 * 60 * 60);
        let _ = tokio::time::timeout(day, client.read_to_end(&mut Vec::new())).await;
        serving.abort();
    });
    drop(runtime);
    let log = log.lock().expect("no panic");
    log.clone()
}

fn both(sent: &[u8], size: usize) -> (Vec<Seen>, Vec<Seen>) {
    let http1 = http1(&Drain::new());
    (seen(sent, size, |io, log| ours(http1, io, log)), seen(sent, size, hypers))
}

/// A request that everybody takes for one and the same, with things about it that are allowed and odd.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let line = (
        select(vec!["GET", "POST", "PUT", "OPTIONS", "HEAD", "X-OWN"]),
        select(vec!["/", "/a?b=c&d", "/%20", "http://a/abs", "/a#b", "//", "/\u{e9}"]),
    );
    let odd = vec![
        "accept: */*\r\n",
        "x-empty:\r\n",
        "X-Blanks: \t a  b \t\r\n",
        "cookie: a=1\r\nCookie: b=2\r\n",
        "x-bytes: \u{e9}\r\n",
        "connection: keep-alive, x\r\n",
        "te: trailers\r\n",
        "expect: 100-continue\r\n",
        "upgrade: h2c\r\n",
        "x-lf: 1\n",
    ];
    let body = select(vec![
        "\r\n",
        "content-length: 0\r\n\r\n",
        "content-length: 5\r\n\r\nhello",
        "content-length: 0005\r\ncontent-length: 5\r\n\r\nGET /",
        "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n00a;x=\"y\"\r\n0123456789\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n1 \t;x\r\na\r\n0\r\nx-sum: 1\r\nX-Sum: 2\r\n\r\n",
    ]);
    (line, prop::collection::vec(select(odd), 0..4), body).prop_map(
        |((method, target), odd, body)| {
            format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{}{body}", odd.concat()).into_bytes()
        },
    )
}

/// What turns a proper request into one that may be none: pieces that matter to a parser, put over others or between them.
fn mutations() -> impl Strategy<Value = Vec<(Index, bool, &'static str)>> {
    let pieces = vec![
        "\r",
        "\n",
        "\r\n",
        "\r\n\r\n",
        "\0",
        " ",
        "\t",
        ":",
        ",",
        ";",
        "0",
        "5",
        "f",
        "+",
        "x",
        "\u{7f}",
        "\u{e9}",
        "HTTP/1.0",
        "content-length: 3\r\n",
        "content-length: 4, 4\r\n",
        "host: b\r\n",
        "transfer-encoding: chunked\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "connection: close\r\n",
        "chunked, ",
    ];
    prop::collection::vec((any::<Index>(), any::<bool>(), select(pieces)), 0..4)
}

fn mutate(bytes: &mut Vec<u8>, mutations: &[(Index, bool, &'static str)]) {
    for (index, is_over, piece) in mutations {
        let at = index.index(bytes.len() + 1);
        let end = if *is_over { bytes.len().min(at + piece.len()) } else { at };
        bytes.splice(at..end, piece.bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_500,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_accepted_hyper_reads_in_the_same_way(
        sent in prop::collection::vec(request(), 1..4),
        mutations in mutations(),
        size in prop_oneof![Just(1), 1..100_usize, Just(usize::MAX)],
    ) {
        let mut sent = sent.concat();
        mutate(&mut sent, &mutations);
        let (ours, hypers) = both(&sent, size);
        prop_assert!(ours.len() <= hypers.len(), "{ours:#?} and {hypers:#?}");
        for (index, (mine, oracle)) in ours.iter().zip(&hypers).enumerate() {
            prop_assert_eq!((&mine.head, &mine.fields), (&oracle.head, &oracle.fields));
            match &mine.body {
                Came::Whole(..) => prop_assert_eq!(&mine.body, &oracle.body),
                Came::Partly => prop_assert!(!matches!(oracle.body, Came::Whole(..)), "{oracle:?}"),
                Came::Malformed => {}
            }
            // Where a body ends that does not end well is not known.
            prop_assert!(matches!(mine.body, Came::Whole(..)) || index + 1 == ours.len());
        }
    }

    #[test]
    fn what_is_proper_is_accepted(
        sent in prop::collection::vec(request(), 1..4),
        size in prop_oneof![Just(1), 1..100_usize, Just(usize::MAX)],
    ) {
        let (ours, hypers) = both(&sent.concat(), size);
        prop_assert_eq!(ours.len(), sent.len());
        prop_assert_eq!(ours, hypers);
    }
}

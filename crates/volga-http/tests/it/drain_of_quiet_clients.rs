//! Clients that make no progress do not keep a draining server from ending, whatever they have
//! begun. The servers here have an hour to drain, so a test that passes has not waited for it.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use volga_http::limits::DEFAULT_UPLOAD_GRACE;
use volga_http::{DrainOutcome, RequestBody, Server};

use crate::support::{
    EMPTY_SETTINGS, GET, PREFACE, RawFrame, Running, TestBody, connect, long_lived, raw_get,
    read_until, send,
};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// More than any socket buffer takes.
const LARGE: usize = 64 * 1024 * 1024;

/// `SETTINGS_INITIAL_WINDOW_SIZE` = 0.
const CLOSED_WINDOWS: &[u8] = &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];

/// What a client has done before the drain starts.
#[derive(Clone, Copy, Debug)]
enum Client {
    /// It has sent these bytes, of which this many belong to complete requests.
    Http1(&'static str, usize),
    /// It reads nothing of a large response.
    Http1Unread { path: &'static str },
    /// It has sent its preface, this many bytes of a request, and acknowledges no PING.
    Http2(usize),
    /// It never opens the window of its stream.
    Http2ClosedWindow { path: &'static str },
    /// It reads nothing from its connection.
    Http2Unread { path: &'static str },
    /// It has sent a part of a body that the handler reads.
    Http2Upload,
}

const UPLOAD: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\npart";
const CHUNKS: &str =
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n";
const REFUSED: &str = "POST /refused HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\npart";
const TWO: &str = "GET /hello HTTP/1.1\r\nhost: a\r\n\r\nGET /hello HTTP/1.1\r\nhost: a\r\n\r\n";
const ONE: usize = TWO.len() / 2;

/// All clients of the test: requests that are cut at any byte, and responses that are not read.
fn clients() -> impl Iterator<Item = Client> {
    let heads = (0..TWO.len()).map(|end| Client::Http1(&TWO[..end], end / ONE));
    let bodies = [UPLOAD, CHUNKS, REFUSED].into_iter().flat_map(|text| {
        (text.len() - 8..=text.len()).map(move |end| Client::Http1(&text[..end], 0))
    });
    let frames = (0..=raw_get(1).len() + 3).map(Client::Http2);
    let unread = ["/large", "/large-stream", "/endless", "/endless-stream"];
    let unread = unread.into_iter().flat_map(|path| {
        [
            Client::Http1Unread { path },
            Client::Http2ClosedWindow { path },
            Client::Http2Unread { path },
        ]
    });
    heads.chain(bodies).chain(frames).chain(unread).chain([Client::Http2Upload])
}

async fn respond(request: Request<RequestBody>) -> Response<TestBody> {
    let large = || TestBody::full(Bytes::from(vec![b'.'; LARGE]));
    // A body that has sent a piece and would go on if the client read it.
    let endless = || TestBody::steps((0..1_000).map(|_| crate::support::data(LINE)));
    match request.uri().path() {
        "/large" => Response::new(large()),
        "/large-stream" => long_lived(large()),
        "/endless" => Response::new(endless()),
        "/endless-stream" => long_lived(endless()),
        "/refused" => status(StatusCode::PAYLOAD_TOO_LARGE),
        _ if request.method() == Method::POST => match request.into_body().collect().await {
            Ok(_) => status(StatusCode::NO_CONTENT),
            Err(_) => status(StatusCode::REQUEST_TIMEOUT),
        },
        _ => Response::new(TestBody::full("hello")),
    }
}

/// A piece of 64 KiB.
static LINE: &str = {
    static BYTES: [u8; 64 * 1024] = [b'x'; 64 * 1024];
    match std::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => "",
    }
};

fn status(status: StatusCode) -> Response<TestBody> {
    let mut response = Response::new(TestBody::default());
    *response.status_mut() = status;
    response
}

/// A GET for this path, as an HTTP/2 HEADERS frame.
fn get_frame(path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).expect("a short path");
    let mut block = vec![0x82, 0x86, 0x04, length];
    block.extend_from_slice(path.as_bytes());
    block.extend_from_slice(&[0x01, 1, b'a']);
    let length = u8::try_from(block.len()).expect("a short head");
    [&[0, 0, length, 1, 5, 0, 0, 0, 1][..], &block].concat()
}

impl Client {
    /// Does what the client does, and waits until the server has received it as far as that shows.
    async fn begin(self, server: &Running) -> TcpStream {
        let mut stream = connect(server.address).await;
        match self {
            Self::Http1(text, responses) => {
                send(&mut stream, text.as_bytes()).await;
                for _ in 0..responses {
                    read_until(&mut stream, "hello").await;
                }
            }
            Self::Http1Unread { path } => {
                send(&mut stream, format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes())
                    .await;
                stream.readable().await.expect("the response begins");
            }
            Self::Http2(sent) => {
                let request = [&raw_get(1)[..], &[0, 0, 1]].concat();
                send(&mut stream, &[PREFACE, EMPTY_SETTINGS, &request[..sent]].concat()).await;
                RawFrame::read_kind(&mut stream, RawFrame::SETTINGS).await;
            }
            Self::Http2ClosedWindow { path } => {
                let request = get_frame(path);
                send(&mut stream, &[PREFACE, CLOSED_WINDOWS, &request].concat()).await;
                RawFrame::read_kind(&mut stream, HEADERS).await;
            }
            Self::Http2Unread { path } => {
                // The windows are as wide as they can be.
                let wide = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x7F, 0xFF, 0xFF, 0xFF];
                let more = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7F, 0, 0, 0];
                send(&mut stream, &[PREFACE, &wide, &more, &get_frame(path)].concat()).await;
                RawFrame::read_kind(&mut stream, HEADERS).await;
            }
            Self::Http2Upload => {
                let mut post = raw_get(1);
                // POST, and no END_STREAM.
                (post[4], post[9]) = (4, 0x83);
                let data = [&[0, 0, 4, 0, 0, 0, 0, 0, 1][..], b"part"].concat();
                send(&mut stream, &[PREFACE, EMPTY_SETTINGS, &post, &data].concat()).await;
                RawFrame::read_kind(&mut stream, RawFrame::SETTINGS).await;
            }
        }
        stream
    }
}

const HEADERS: u8 = 1;

#[tokio::test]
async fn clients_that_make_no_progress_do_not_keep_a_draining_server() {
    let mut tests = JoinSet::new();
    for client in clients() {
        tests.spawn(async move {
            let server = Server::new()
                .header_read_timeout(HOUR)
                .write_stall_timeout(HOUR)
                .body_read_timeout(HOUR)
                .min_body_rate(0)
                .drain_deadline(HOUR);
            let server = Running::start(server, respond).await;
            // A healthy client whose connection is idle is closed as well.
            let mut idle = server.connect().await;
            send(&mut idle, GET).await;
            read_until(&mut idle, "hello").await;
            let _stream = client.begin(&server).await;
            server.drain.start();
            let drained = tokio::time::timeout(Duration::from_secs(20), server.task).await;
            (client, drained.map(|task| task.expect("no panic").expect("no failure")))
        });
        // Not too many at a time: the servers that send the most hold a lot of memory.
        if tests.len() >= 16 {
            check(tests.join_next().await);
        }
    }
    while !tests.is_empty() {
        check(tests.join_next().await);
    }
}

#[tokio::test]
async fn an_upload_may_pause_for_as_long_as_is_set() {
    let (sent, mut received) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::new().drain_deadline(HOUR).upload_grace(HOUR).body_read_timeout(HOUR);
    let server = Running::start(server.min_body_rate(0), move |request: Request<RequestBody>| {
        let sent = sent.clone();
        async move {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { return status(StatusCode::REQUEST_TIMEOUT) };
                let length = frame.data_ref().map_or(0, Bytes::len);
                sent.send(length).expect("the test waits");
            }
            status(StatusCode::NO_CONTENT)
        }
    })
    .await;
    let mut client = server.connect().await;
    send(&mut client, UPLOAD.as_bytes()).await;
    assert_eq!(received.recv().await, Some(4));
    server.drain.start();
    // Twice as long as the default allows.
    tokio::time::sleep(2 * DEFAULT_UPLOAD_GRACE).await;
    send(&mut client, &[b'x'; 996]).await;
    read_until(&mut client, "204").await;
    assert_eq!(server.drained().await, DrainOutcome::Complete);
}

type Ended = (Client, Result<DrainOutcome, tokio::time::error::Elapsed>);

fn check(ended: Option<Result<Ended, tokio::task::JoinError>>) {
    let (client, drained) = ended.expect("a test runs").expect("no panic");
    assert_eq!(drained.ok(), Some(DrainOutcome::Complete), "{client:?}");
}

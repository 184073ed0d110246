//! Compressed event streams on both protocols: each event arrives when it is sent, and everything
//! else about the stream stays as it is without compression.

use std::{
    io::Read,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use volga::{
    App,
    error::Error,
    http::sse::{EndReason, Heartbeat, Hub, Message, Sse},
    middleware::{Compression, ContentCoding},
    sse,
};

use super::support::{run_app, soon};

/// The plain text of compressed bytes so far, and whether they have a proper end.
fn decode(coding: &str, bytes: &[u8]) -> (String, bool) {
    let mut decoder: Box<dyn Read + '_> = match coding {
        "gzip" => Box::new(flate2::read::GzDecoder::new(bytes)),
        "deflate" => Box::new(flate2::read::ZlibDecoder::new(bytes)),
        "br" => Box::new(brotli::Decompressor::new(bytes, 4096)),
        "zstd" => Box::new(zstd::stream::read::Decoder::new(bytes).unwrap()),
        _ => Box::new(bytes),
    };
    let mut plain = Vec::new();
    let mut buffer = [0; 512];
    let is_whole = loop {
        match decoder.read(&mut buffer) {
            Ok(0) => break true,
            Ok(length) => plain.extend_from_slice(&buffer[..length]),
            Err(_) => break false,
        }
    };
    (String::from_utf8(plain).unwrap(), is_whole)
}

/// A client that reads one stream.
struct Client {
    headers: HeaderMap,
    body: Incoming,
    coding: String,
    bytes: Vec<u8>,
}

impl Client {
    async fn get(address: SocketAddr, is_http2: bool, path: &str, accept: &str) -> Self {
        let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let request = Request::get(format!("http://test{path}")).header("host", "test");
        let request = request.header("accept-encoding", accept).body(Empty::<Bytes>::new());
        let response: Response<Incoming> = if is_http2 {
            let executor = TokioExecutor::new();
            let (mut client, connection) =
                hyper::client::conn::http2::handshake(executor, io).await.unwrap();
            tokio::spawn(connection);
            soon("the response", client.send_request(request.unwrap())).await.unwrap()
        } else {
            let (mut client, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            soon("the response", client.send_request(request.unwrap())).await.unwrap()
        };
        let (head, body) = response.into_parts();
        let coding =
            head.headers.get("content-encoding").map_or("", |value| value.to_str().unwrap());
        let coding = coding.to_owned();
        Self { headers: head.headers, body, coding, bytes: Vec::new() }
    }

    /// The plain text so far.
    fn text(&self) -> String {
        decode(&self.coding, &self.bytes).0
    }

    /// Reads until a text has arrived.
    async fn read_until(&mut self, text: &str) {
        while !self.text().contains(text) {
            let frame = soon(text, self.body.frame()).await.expect(text).expect(text);
            self.bytes.extend_from_slice(&frame.into_data().unwrap());
        }
    }

    /// Reads to the end. Returns whether the response has ended properly.
    async fn read_to_end(&mut self) -> bool {
        loop {
            match soon("the end", self.body.frame()).await {
                None => return true,
                Some(Err(_)) => return false,
                Some(Ok(frame)) => self.bytes.extend_from_slice(&frame.into_data().unwrap()),
            }
        }
    }
}

const CODINGS: [&str; 5] = ["gzip", "deflate", "br", "zstd", ""];

#[tokio::test]
async fn each_event_arrives_when_it_is_sent_and_the_farewell_is_the_last_one() {
    for is_http2 in [false, true] {
        for coding in CODINGS {
            let what = format!("{coding:?}, {is_http2}");
            let hub = Hub::new();
            hub.create_topic("news").unwrap();
            let subscribe = hub.clone();
            let ends = Arc::<Mutex<Vec<EndReason>>>::default();
            let told = Arc::clone(&ends);
            let mut app = App::new();
            app.attach(Compression::new());
            app.map_get("/events", move || {
                let told = Arc::clone(&told);
                let news = subscribe.subscribe("news").open().unwrap();
                sse!(Sse::new(news).on_end(move |end| told.lock().unwrap().push(end.reason())))
            });
            app.map_get("/quiet", || {
                let heartbeat = Heartbeat::every(Duration::from_millis(5));
                sse!(Sse::new(stream::pending::<Message>()).heartbeat(heartbeat))
            });
            let counters = app.counters();
            let server = run_app(app).await;
            let mut client = Client::get(server.address, is_http2, "/events", coding).await;
            assert_eq!(client.coding, coding, "{what}");
            assert_eq!(client.headers["vary"], "accept-encoding", "{what}");
            assert_eq!(client.headers["cache-control"], "no-cache, no-transform", "{what}");
            client.read_until("retry: ").await;
            for number in 0..20 {
                let text = format!("number {number} {}", "x".repeat(number * 100));
                hub.publish("news", Message::new().data(&text)).unwrap();
                client.read_until(&format!("data: {text}\n")).await;
            }
            let mut quiet = Client::get(server.address, is_http2, "/quiet", coding).await;
            quiet.read_until(":\n").await;
            let before = quiet.text().len();
            while quiet.text().len() < before + 8 {
                let frame = soon("heartbeats", quiet.body.frame()).await.unwrap().unwrap();
                quiet.bytes.extend_from_slice(&frame.into_data().unwrap());
            }
            drop(quiet);
            let left = async {
                while counters.snapshot().streams_client_left == 0 {
                    tokio::task::yield_now().await;
                }
            };
            soon("the end of the quiet stream", left).await;
            server.shutdown.shutdown();
            assert!(client.read_to_end().await, "{what}");
            let (text, is_whole) = decode(coding, &client.bytes);
            assert!(is_whole, "{what}");
            let (_, farewell) = text.rsplit_once("retry: ").unwrap();
            assert!(farewell.trim_end().parse::<u32>().unwrap() >= 1000, "{what}: {farewell:?}");
            soon("the end of the server", server.end).await.unwrap().unwrap();
            assert_eq!(*ends.lock().unwrap(), [EndReason::Drained], "{what}");
            let now = counters.snapshot();
            assert_eq!((now.streams_failed, now.streams_client_left), (0, 1), "{what}");
        }
    }
}

#[tokio::test]
async fn an_error_comes_after_the_events_before_it_and_is_reported_once() {
    let log = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&log);
    let mut app = App::new().on_error(move |report| kept.lock().unwrap().push(report.to_string()));
    app.attach(Compression::new());
    app.map_get("/events", || {
        let messages =
            stream::iter([Ok(Message::new().data("one")), Ok(Message::new().data("two"))]);
        let error = stream::once(async { Err(Error::server_error("broken on purpose")) });
        sse!(messages.chain(error))
    });
    app.map_get("/finite", || sse!(Sse::new(stream::iter([Message::new().data("one")])).finite()));
    let counters = app.counters();
    let server = run_app(app).await;
    let mut failed = 0;
    for is_http2 in [false, true] {
        for coding in CODINGS {
            let what = format!("{coding:?}, {is_http2}");
            let mut client = Client::get(server.address, is_http2, "/events", coding).await;
            assert!(!client.read_to_end().await, "{what}");
            assert!(client.text().ends_with("data: one\n\ndata: two\n\n"), "{what}");
            failed += 1;
            assert_eq!(counters.snapshot().streams_failed, failed, "{what}");
            let log = std::mem::take(&mut *log.lock().unwrap());
            assert!(log.len() == 1 && log[0].contains("broken on purpose"), "{what}: {log:?}");
            let mut client = Client::get(server.address, is_http2, "/finite", coding).await;
            assert!(client.read_to_end().await, "{what}");
            let (text, is_whole) = decode(coding, &client.bytes);
            assert!(is_whole && text.ends_with("data: one\n\n"), "{what}: {text}");
        }
    }
    assert_eq!(counters.snapshot().streams_failed, failed);
}

#[tokio::test]
async fn compression_of_a_group_and_a_route_covers_their_responses() {
    let text = || "tea ".repeat(1000);
    let mut app = App::new();
    app.map_get("/plain", text);
    app.map_get("/route", text).attach(Compression::new());
    app.group("/group", |group| {
        group.attach(Compression::new().codings([ContentCoding::Brotli]));
        group.map_get("/text", text);
    });
    let server = run_app(app).await;
    for (path, coding) in
        [("/plain", ""), ("/route", "zstd"), ("/group/text", "br"), ("/group/none", "")]
    {
        let accept = "br, zstd, gzip";
        let mut client = Client::get(server.address, false, path, accept).await;
        assert_eq!(client.coding, coding, "{path}");
        assert_eq!(client.headers.contains_key("vary"), path != "/plain", "{path}");
        assert!(client.read_to_end().await);
        if path != "/group/none" {
            assert_eq!(decode(coding, &client.bytes), (text(), true), "{path}");
        }
    }
}

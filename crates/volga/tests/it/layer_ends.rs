//! A response body that a layer or a handler ends is reported as what it was: to the observer, the
//! counters and the log. The client gets the head and what came before.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body::{Body, Frame};
use tower_http::timeout::ResponseBodyTimeoutLayer;
use volga::{
    App, HttpBody, HttpResponse,
    error::BoxError,
    http::sse::{EndReason, Message, Sse},
    sse,
};

use super::support::{ask, data2, get2, http2, read_until, run_app, send, soon};

type Log = Arc<Mutex<Vec<String>>>;

/// How a body ends that was put around another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Error,
    Panic,
    /// A proper end, before the end of the body inside.
    Early,
}

/// A body that passes on this many frames of another body, and then ends.
struct Breaking {
    body: HttpBody,
    frames: usize,
    end: End,
}

impl Body for Breaking {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.frames == 0 {
            return match self.end {
                End::Error => Poll::Ready(Some(Err("broken on purpose".into()))),
                End::Panic => panic!("broken on purpose"),
                End::Early => Poll::Ready(None),
            };
        }
        self.frames -= 1;
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

/// Where the body is wrapped.
#[derive(Clone, Copy, Debug)]
enum Place {
    Route,
    App,
    BeforeRouting,
}

fn breaking(response: HttpResponse, frames: usize, end: End) -> HttpResponse {
    response.map(|body| HttpBody::new(Breaking { body, frames, end }))
}

/// An app whose bodies break, its log, and the ends of its observed streams.
fn app(place: Place, frames: usize, end: End) -> (App, Log, Arc<Mutex<Vec<EndReason>>>) {
    let (log, ends) = (Log::default(), Arc::<Mutex<Vec<EndReason>>>::default());
    let kept = Arc::clone(&log);
    let mut app = App::new().on_error(move |report| kept.lock().unwrap().push(report.to_string()));
    let events = || stream::iter([Message::new().data("x")]).chain(stream::pending());
    let wrap = move |response: HttpResponse| async move { breaking(response, frames, end) };
    let told = Arc::clone(&ends);
    let observed = move || {
        let told = Arc::clone(&told);
        sse!(Sse::new(events()).on_end(move |end| told.lock().unwrap().push(end.reason())))
    };
    let pieces = || {
        let pieces = stream::iter([Ok::<_, BoxError>(Bytes::from_static(b"data: x\n\n"))]);
        HttpBody::from_stream(pieces.chain(stream::pending()))
    };
    let full = || HttpBody::full("data: x\n\n");
    match place {
        Place::Route => {
            app.map_get("/events", move || sse!(events())).map_ok(wrap);
            app.map_get("/observed", observed).map_ok(wrap);
            app.map_get("/pieces", move || HttpResponse::new(pieces())).map_ok(wrap);
            app.map_get("/full", move || HttpResponse::new(full())).map_ok(wrap);
        }
        Place::App | Place::BeforeRouting => {
            app.map_get("/events", move || sse!(events()));
            app.map_get("/observed", observed);
            app.map_get("/pieces", move || HttpResponse::new(pieces()));
            app.map_get("/full", move || HttpResponse::new(full()));
        }
    }
    match place {
        Place::App => {
            app.map_ok(wrap);
        }
        Place::BeforeRouting => {
            app.before_routing(|before| {
                before.wrap(
                    move |ctx, next| async move { breaking(next.run(ctx).await, frames, end) },
                );
            });
        }
        Place::Route => {}
    }
    (app, log, ends)
}

fn taken<T>(list: &Mutex<Vec<T>>) -> Vec<T> {
    std::mem::take(&mut list.lock().unwrap())
}

/// What a client gets: the content, and whether it ends properly.
async fn got(address: std::net::SocketAddr, path: &str, is_http2: bool) -> (String, bool) {
    if !is_http2 {
        let text = ask(address, &format!("GET {path}")).await;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {text}");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let is_whole = head.contains("content-length") || body.ends_with("0\r\n\r\n");
        return (body.to_owned(), is_whole);
    }
    let client = http2(address).await;
    let mut body = get2(&client, path).await.into_body();
    let mut received = String::new();
    loop {
        match data2(&mut body).await {
            Some(Ok(data)) => received.push_str(&data),
            Some(Err(_)) => return (received, false),
            None => return (received, true),
        }
    }
}

#[tokio::test]
async fn what_breaks_around_a_body_is_reported_as_what_it_was() {
    for place in [Place::Route, Place::App, Place::BeforeRouting] {
        for (end, frames) in [
            (End::Error, 0),
            (End::Error, 1),
            (End::Panic, 0),
            (End::Panic, 1),
            (End::Early, 0),
            (End::Early, 1),
        ] {
            let (app, log, ends) = app(place, frames, end);
            let counters = app.counters();
            let server = run_app(app).await;
            let (mut failed, mut panicked) = (0, 0);
            for is_http2 in [false, true] {
                for path in ["/events", "/observed", "/pieces", "/full"] {
                    let what = format!("{path} {place:?} {end:?} after {frames}, {is_http2}");
                    let (text, is_whole) = got(server.address, path, is_http2).await;
                    assert_eq!(text.matches("data: x").count(), frames, "{what}: {text}");
                    assert_eq!(is_whole, end == End::Early, "{what}: {text}");
                    let log = taken(&log);
                    let is_stream = matches!(path, "/events" | "/observed");
                    let is_reported = match path {
                        "/events" => true,
                        "/observed" => false,
                        // Only a stream notices that a layer has ended it early.
                        _ => end != End::Early,
                    };
                    let cause = if end == End::Early { "ended it early" } else { "on purpose" };
                    assert_eq!(log.len(), usize::from(is_reported), "{what}: {log:?}");
                    assert!(log.iter().all(|line| line.contains(cause)), "{what}: {log:?}");
                    assert!(log.iter().all(|line| line.contains("cut short")), "{what}: {log:?}");
                    let reason =
                        if end == End::Panic { EndReason::Panicked } else { EndReason::Failed };
                    let expect = if path == "/observed" { vec![reason] } else { vec![] };
                    assert_eq!(taken(&ends), expect, "{what}");
                    failed += u64::from(is_stream && end != End::Panic);
                    panicked += u64::from(is_stream && end == End::Panic);
                    let now = counters.snapshot();
                    let ended = (now.streams_failed, now.streams_panicked, now.streams_client_left);
                    assert_eq!(ended, (failed, panicked, 0), "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_body_of_a_handler_that_breaks_is_reported() {
    for end in [End::Error, End::Panic] {
        for frames in [0, 1] {
            let log = Log::default();
            let kept = Arc::clone(&log);
            let mut app =
                App::new().on_error(move |report| kept.lock().unwrap().push(report.to_string()));
            app.map_get("/", move || {
                breaking(HttpResponse::new(HttpBody::full("data: x")), frames, end)
            });
            let server = run_app(app).await;
            for is_http2 in [false, true] {
                let what = format!("{end:?} after {frames}, {is_http2}");
                let (text, is_whole) = got(server.address, "/", is_http2).await;
                assert_eq!((text.matches("data: x").count(), is_whole), (frames, false), "{what}");
                let log = taken(&log);
                assert!(log.len() == 1 && log[0].contains("on purpose"), "{what}: {log:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_time_limit_of_tower_http_is_reported_with_its_cause() {
    let log = Log::default();
    let kept = Arc::clone(&log);
    let mut app = App::new().on_error(move |report| kept.lock().unwrap().push(report.to_string()));
    app.map_get("/events", || sse!(stream::pending::<Message>()));
    app.map_get("/pieces", || {
        HttpResponse::new(HttpBody::from_stream(stream::pending::<Result<Bytes, BoxError>>()))
    });
    app.layer(ResponseBodyTimeoutLayer::new(Duration::from_millis(50)));
    let counters = app.counters();
    let server = run_app(app).await;
    for is_http2 in [false, true] {
        for path in ["/events", "/pieces"] {
            let (text, is_whole) = got(server.address, path, is_http2).await;
            assert!(!is_whole, "{path}: {text}");
            assert_eq!(text.contains("retry: 3000"), path == "/events", "{path}: {text}");
            let log = taken(&log);
            assert!(log.len() == 1, "{path}: {log:?}");
            assert!(log[0].starts_with(&format!("200 GET {path} was cut short: ")), "{log:?}");
            assert!(log[0].contains("within the designated timeout"), "{log:?}");
        }
    }
    assert_eq!(counters.snapshot().streams_failed, 2);
}

#[tokio::test]
async fn a_client_that_leaves_is_no_error() {
    let (app, log, ends) = app(Place::App, usize::MAX, End::Error);
    let counters = app.counters();
    let server = run_app(app).await;
    for path in ["/events", "/observed", "/pieces"] {
        let mut client = send(server.address, &format!("GET {path}")).await;
        read_until(&mut client, "data: x").await;
    }
    let left = async {
        while counters.snapshot().streams_client_left < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon("the end of both streams", left).await;
    assert_eq!(taken(&ends), [EndReason::ClientLeft]);
    assert!(log.lock().unwrap().is_empty());
}

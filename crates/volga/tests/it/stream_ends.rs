//! Each end of an event stream is reported as what it was: to the observer, the counters and the
//! log.

use std::sync::{Arc, Mutex};
use std::task::Poll;

use futures_util::stream;
use volga::{
    App,
    http::sse::{EndReason, Message, Sse},
    sse,
};

use super::support::{ask, data2, get2, http2, read_until, run_app, send, soon};

type Log = Arc<Mutex<Vec<String>>>;

fn logged_app() -> (App, Log) {
    let log = Log::default();
    let kept = Arc::clone(&log);
    (App::new().on_error(move |report| kept.lock().unwrap().push(report.to_string())), log)
}

/// A stream that panics after this many messages.
fn panicking(messages: usize) -> impl futures_util::Stream<Item = Message> + Send + 'static {
    let mut left = messages;
    stream::poll_fn(move |_| {
        assert!(left > 0, "on purpose");
        left -= 1;
        Poll::Ready(Some(Message::new().data("before")))
    })
}

#[tokio::test]
async fn a_panic_in_a_stream_is_reported_after_the_head_and_the_messages_were_sent() {
    let (mut app, log) = logged_app();
    app.map_get("/after/{messages}", |messages: usize| sse!(panicking(messages)));
    let counters = app.counters();
    let server = run_app(app).await;
    let client = http2(server.address).await;
    let mut panics = 0;
    for messages in [0, 1, 5] {
        let path = format!("/after/{messages}");
        let text = ask(server.address, &format!("GET {path}")).await;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert_eq!(text.matches("data: before").count(), messages, "{text}");
        assert!(!text.ends_with("0\r\n\r\n"), "a proper end: {text}");

        let mut body = get2(&client, &path).await.into_body();
        let mut received = String::new();
        let error = loop {
            match data2(&mut body).await.expect("no proper end") {
                Ok(data) => received.push_str(&data),
                Err(error) => break error,
            }
        };
        assert!(error.is_reset(), "{error}");
        assert_eq!(received.matches("data: before").count(), messages, "{received}");

        panics += 2;
        let expect = format!("200 GET {path} was cut short: the stream panicked: on purpose");
        assert_eq!(std::mem::take(&mut *log.lock().unwrap()), [expect.clone(), expect]);
        let now = counters.snapshot();
        assert_eq!((now.streams_panicked, now.streams_client_left), (panics, 0));
    }
}

#[tokio::test]
async fn head_counts_as_nothing() {
    let (mut app, log) = logged_app();
    let ends: Arc<Mutex<Vec<EndReason>>> = Arc::default();
    let told = Arc::clone(&ends);
    app.map_get("/events", move || {
        let told = Arc::clone(&told);
        sse!(
            Sse::new(stream::pending::<Message>())
                .on_end(move |end| told.lock().unwrap().push(end.reason()))
        )
    });
    let counters = app.counters();
    let server = run_app(app).await;
    let mut client = send(server.address, "HEAD /events").await;
    let head = read_until(&mut client, "\r\n\r\n").await;
    assert!(head.contains("content-type: text/event-stream\r\n"), "{head}");
    let http2 = http2(server.address).await;
    let mut ready = soon("a free stream", http2.ready()).await.unwrap();
    let request = http::Request::head("http://test/events").body(()).unwrap();
    let (response, _) = ready.send_request(request, true).unwrap();
    let response = soon("the response", response).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    // The next response comes after the body of the first one was dropped.
    assert!(ask(server.address, "GET /missing").await.starts_with("HTTP/1.1 404 "));
    let now = counters.snapshot();
    assert_eq!((now.streams_open, now.streams_opened, now.streams_client_left), (0, 0, 0));
    assert!(ends.lock().unwrap().is_empty() && log.lock().unwrap().is_empty());
}

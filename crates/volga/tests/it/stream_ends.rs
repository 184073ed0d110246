//! Each end of an event stream is reported as what it was: to the observer, the counters and the
//! log.

use std::sync::{Arc, Mutex};
use std::task::Poll;

use futures_util::{StreamExt, future::join_all, stream};
use tokio::sync::mpsc;
use volga::{
    App,
    http::sse::{EndReason, Hub, Message, Sse},
    sse, sse_stream,
};

use super::support::{
    ask, data2, get2, http2, is_over_http3, read_to_end, read_until, run_app, send, soon,
};

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

/// A channel with messages, for one stream.
fn channel() -> (mpsc::UnboundedSender<Message>, stream::BoxStream<'static, Message>) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    (sender, stream::poll_fn(move |cx| receiver.poll_recv(cx)).boxed())
}

/// A body without the sizes of its chunks, which may begin in the middle of a message.
fn without_chunk_sizes(text: &str) -> String {
    let is_size = |piece: &&str| piece.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split("\r\n").filter(|piece| piece.len() > 8 || !is_size(piece)).collect()
}

#[tokio::test]
async fn what_is_ready_at_a_drain_is_sent_or_the_end_is_a_cut_that_is_told() {
    // The last count is more than a closing stream sends.
    for count in [1_usize, 24, 255, 1_000, 30_000] {
        if is_over_http3() && count > 1_000 {
            // The reset of a stream that is cut overtakes what its client has not read.
            continue;
        }
        let (mut app, log) = logged_app();
        let hub = Hub::builder().max_messages(count).max_bytes(usize::MAX).build();
        // Each source is sent once over HTTP/1 and once over HTTP/2.
        let (to_channels, channels): (Vec<_>, Vec<_>) = (0..4).map(|_| channel()).unzip();
        let channels = Arc::new(Mutex::new(channels));
        let next = move || channels.lock().unwrap().pop().expect("four requests");
        let (read, next_of_block) = (hub.clone(), next.clone());
        app.map_get("/hub", move || sse!(read.subscribe("news").open()?));
        app.map_get("/channel", move || sse!(next()));
        app.map_get("/block", move || {
            let mut messages = next_of_block();
            sse_stream! {
                while let Some(message) = messages.next().await {
                    yield message;
                }
            }
        });
        let server = run_app(app).await;
        let client = http2(server.address).await;
        let (mut over_http1, mut over_http2) = (Vec::new(), Vec::new());
        for path in ["/hub", "/channel", "/block"] {
            let begin = if path == "/hub" { "id: " } else { "retry: 3000" };
            let mut stream = send(server.address, &format!("GET {path}")).await;
            read_until(&mut stream, begin).await;
            over_http1.push(stream);
            let mut body = get2(&client, path).await.into_body();
            while !data2(&mut body).await.unwrap().unwrap().contains(begin) {}
            over_http2.push(body);
        }

        // Nothing else runs on this thread until the drain has begun.
        for number in 0..count {
            let message = Message::new().data(format!("{number:0100}"));
            to_channels.iter().for_each(|channel| channel.send(message.clone()).unwrap());
            hub.publish("news", message).unwrap();
        }
        server.shutdown.shutdown();

        let is_whole = count <= 1_000;
        let mut ends = Vec::new();
        for stream in &mut over_http1 {
            let text = read_to_end(stream).await;
            ends.push((text.ends_with("\r\n0\r\n\r\n"), without_chunk_sizes(&text)));
        }
        // At the same time, because they share the window of their connection.
        let read_to_end2 = async |mut body: h2::RecvStream| {
            let mut text = String::new();
            loop {
                match data2(&mut body).await {
                    None => return (true, text),
                    Some(Ok(data)) => text.push_str(&data),
                    Some(Err(_)) => return (false, text),
                }
            }
        };
        ends.extend(join_all(over_http2.into_iter().map(read_to_end2)).await);
        for (index, (is_proper, text)) in ends.iter().enumerate() {
            // A client of a hub gets the rest when it resumes.
            let is_hub = index % 3 == 0;
            assert_eq!(*is_proper, is_hub || is_whole, "{count} messages, stream {index}");
            let sent = text.matches("data: ").count();
            assert!(text.contains("retry: "), "a farewell");
            let expect = if is_whole { count..count + 1 } else { 8_000..count };
            assert!(expect.contains(&sent), "{sent} of {count}");
        }
        let reports = std::mem::take(&mut *log.lock().unwrap());
        assert_eq!(reports.len(), if is_whole { 0 } else { 4 }, "{reports:?}");
        let is_told = |report: &String| report.contains("before all of its messages were sent");
        assert!(reports.iter().all(is_told), "{reports:?}");
        soon("the end", server.end).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_question_mark_in_a_stream_takes_any_error() {
    let (mut app, log) = logged_app();
    app.map_get("/{error}", |error: u32| {
        sse_stream! {
            yield Message::new().data("before");
            match error {
                0 => Err("a text")?,
                1 => Err(format!("a text of {error}"))?,
                2 => Err(std::io::Error::other("an error"))?,
                3 => Err(volga::error::Error::client_error("an error of volga"))?,
                4 => Err(Box::<dyn std::error::Error + Send + Sync>::from("a boxed error"))?,
                _ => {
                    "x".parse::<u8>()?;
                }
            }
        }
    });
    let server = run_app(app).await;
    let texts = [
        "a text",
        "a text of 1",
        "an error",
        "an error of volga",
        "a boxed error",
        "invalid digit found in string",
    ];
    for (error, expect) in texts.into_iter().enumerate() {
        let text = ask(server.address, &format!("GET /{error}")).await;
        assert!(text.contains("data: before\n") && !text.ends_with("0\r\n\r\n"), "{text}");
        let report = std::mem::take(&mut *log.lock().unwrap()).join("");
        assert!(report.ends_with(expect), "{report}");
    }
}

//! Event streams, from their headers until the client leaves.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc;
use volga::{
    App, Snapshot,
    http::sse::{EndReason, Heartbeat, Message, Sse},
    ok, sse, sse_stream,
};

use super::support::{data2, get2, http2, read_to_end, read_until, run, send, soon};

/// A stream that sends a message when it is dropped. It waits for ever after its first message.
struct Guarded {
    first: Option<Message>,
    dropped: mpsc::UnboundedSender<()>,
}

impl Stream for Guarded {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Message>> {
        self.first.take().map_or(Poll::Pending, |message| Poll::Ready(Some(message)))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.dropped.send(());
    }
}

fn map_guarded(app: &mut App) -> mpsc::UnboundedReceiver<()> {
    let (dropped, drops) = mpsc::unbounded_channel();
    app.map_get("/events", move || {
        sse!(Guarded { first: Some(Message::new().data("first")), dropped: dropped.clone() })
    });
    drops
}

const HEADERS: [(&str, &str); 3] = [
    ("content-type", "text/event-stream"),
    ("cache-control", "no-cache, no-transform"),
    ("x-accel-buffering", "no"),
];

#[tokio::test]
async fn http1_carries_the_messages_with_the_right_headers() {
    let server = run(|app| drop(map_guarded(app))).await;
    let mut client = send(server.address, "GET /events").await;
    let text = read_until(&mut client, "data: first\n\n").await;
    for (name, value) in HEADERS {
        assert!(text.contains(&format!("\r\n{name}: {value}\r\n")), "{text}");
    }
    assert!(
        text.contains("retry: 3000\ndata: first\n\n"),
        "the opening and the first message: {text}"
    );
}

#[tokio::test]
async fn http2_carries_the_messages_without_what_it_forbids() {
    let server = run(|app| drop(map_guarded(app))).await;
    let client = http2(server.address).await;
    let response = get2(&client, "/events").await;
    for (name, value) in HEADERS {
        assert_eq!(response.headers()[name], value);
    }
    for forbidden in
        ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]
    {
        assert!(!response.headers().contains_key(forbidden), "{forbidden}");
    }
    let mut body = response.into_body();
    assert_eq!(data2(&mut body).await.unwrap().unwrap(), "retry: 3000\ndata: first\n\n");
}

#[tokio::test]
async fn a_client_that_closes_drops_the_stream() {
    let mut drops = None;
    let server = run(|app| drops = Some(map_guarded(app))).await;
    let mut client = send(server.address, "GET /events").await;
    read_until(&mut client, "first").await;
    drop(client);
    soon("the drop", drops.unwrap().recv()).await.unwrap();
}

#[tokio::test]
async fn a_client_that_resets_its_connection_drops_the_stream() {
    let mut drops = None;
    let server = run(|app| drops = Some(map_guarded(app))).await;
    let mut client = send(server.address, "GET /events").await;
    read_until(&mut client, "first").await;
    // With a linger time of zero, closing sends RST.
    client.set_zero_linger().unwrap();
    drop(client);
    soon("the drop", drops.unwrap().recv()).await.unwrap();
}

#[tokio::test]
async fn a_client_that_resets_its_http2_stream_drops_that_stream_only() {
    let mut drops = None;
    let server = run(|app| drops = Some(map_guarded(app))).await;
    let mut drops = drops.unwrap();
    let client = http2(server.address).await;
    let mut stays = get2(&client, "/events").await.into_body();
    let mut leaves = get2(&client, "/events").await.into_body();
    data2(&mut stays).await.unwrap().unwrap();
    data2(&mut leaves).await.unwrap().unwrap();
    drop(leaves);
    soon("the drop", drops.recv()).await.unwrap();
    assert!(drops.try_recv().is_err(), "the other stream lives");
    assert_eq!(get2(&client, "/nothing").await.status(), 404);
}

#[tokio::test]
async fn head_starts_no_stream() {
    let mut drops = None;
    let server = run(|app| drops = Some(map_guarded(app))).await;
    let mut client = send(server.address, "HEAD /events").await;
    let head = read_until(&mut client, "\r\n\r\n").await;
    assert!(head.contains("content-type: text/event-stream\r\n"), "{head}");
    soon("the drop", drops.unwrap().recv()).await.unwrap();
}

#[tokio::test]
async fn a_stream_that_finishes_ends_properly_and_the_connection_stays_open() {
    let server = run(|app| {
        app.map_get("/events", || {
            sse!(stream::iter(["a", "b"]).map(|text| Message::new().data(text)))
        })
        .map_get("/next", || ok!("next"));
    })
    .await;
    let mut client = send(server.address, "GET /events").await;
    let text = read_until(&mut client, "\r\n0\r\n\r\n").await;
    assert!(text.contains("data: a\n\ndata: b\n\n"), "what is ready goes out together: {text}");
    tokio::io::AsyncWriteExt::write_all(&mut client, b"GET /next HTTP/1.1\r\nhost: t\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut client, "next").await;
}

#[tokio::test]
async fn a_failed_stream_does_not_end_properly() {
    let server = run(|app| {
        app.map_get("/error", || {
            sse_stream! {
                yield Message::new().data("before");
                let _: u8 = "x".parse()?;
            }
        })
        .map_get("/refused", || {
            sse!(stream::iter(["fine", "a\nid: forged"]).map(|id| Message::new().id(id).data("x")))
        });
    })
    .await;
    for (path, before) in [("/error", "data: before\n\n"), ("/refused", "id: fine\ndata: x\n\n")] {
        let text = read_to_end(&mut send(server.address, &format!("GET {path}")).await).await;
        assert!(text.contains(before), "{text}");
        assert!(!text.contains("forged") && !text.ends_with("0\r\n\r\n"), "{text}");

        let client = http2(server.address).await;
        let mut body = get2(&client, path).await.into_body();
        assert!(data2(&mut body).await.unwrap().unwrap().contains(before));
        assert!(data2(&mut body).await.unwrap().is_err(), "the stream is reset");
    }
}

#[tokio::test]
async fn a_silent_stream_sends_heartbeats() {
    let server = run(|app| {
        app.map_get("/one", || {
            sse!(
                Sse::new(stream::pending::<Message>())
                    .heartbeat(Heartbeat::every(Duration::from_millis(5)))
            )
        })
        .map_get("/two", || {
            let heartbeat = Heartbeat::every(Duration::from_millis(5)).blank_line();
            sse!(Sse::new(stream::pending::<Message>()).without_retry().heartbeat(heartbeat))
        });
    })
    .await;
    read_until(&mut send(server.address, "GET /one").await, "\r\n2\r\n:\n\r\n2\r\n:\n\r\n").await;
    let text = read_until(&mut send(server.address, "GET /two").await, "\r\n3\r\n:\n\n\r\n").await;
    assert!(!text.contains("retry"), "{text}");
}

#[tokio::test]
async fn a_close_handle_ends_its_stream_after_the_sent_messages() {
    let (handles, mut handle) = mpsc::unbounded_channel();
    let (reasons, mut reason) = mpsc::unbounded_channel();
    let server = run(|app| {
        app.map_get("/events", move || {
            let (sender, messages) = mpsc::unbounded_channel();
            let messages = stream::unfold(messages, async |mut messages| {
                Some((messages.recv().await?, messages))
            });
            let reasons = reasons.clone();
            let sse = Sse::new(messages).farewell(Message::new().event("bye").data("")).on_end(
                move |end| {
                    let _ = reasons.send(end.reason());
                },
            );
            handles.send((sender, sse.close_handle())).unwrap();
            sse!(sse)
        });
    })
    .await;
    let mut client = send(server.address, "GET /events").await;
    read_until(&mut client, "retry").await;
    let (sender, close) = soon("the handle", handle.recv()).await.unwrap();
    sender.send(Message::new().data("last")).unwrap();
    close.close();
    let text = read_until(&mut client, "\r\n0\r\n\r\n").await;
    let last = text.find("data: last\n\n").expect("what was sent");
    let bye = text.find("event: bye\ndata: \n\nretry: ").expect("the farewell");
    assert!(last < bye);
    assert_eq!(soon("the reason", reason.recv()).await, Some(EndReason::Closed));
}

#[tokio::test]
async fn the_observer_learns_once_why_a_stream_ended() {
    let (reasons, mut reason) = mpsc::unbounded_channel();
    let reasons = Arc::new(reasons);
    let server = run(|app| {
        app.map_get("/{kind}", move |kind: String| {
            let reasons = Arc::clone(&reasons);
            let first = stream::iter([Ok(Message::new().data("x"))]);
            let rest = match &*kind {
                "finished" => stream::empty().boxed(),
                "failed" => stream::iter([Err("no")]).boxed(),
                _ => stream::pending().boxed(),
            };
            sse!(Sse::new(first.chain(rest)).on_end(move |end| {
                let _ = reasons.send(end.reason());
            }))
        });
    })
    .await;
    for (kind, expect) in [
        ("finished", EndReason::Finished),
        ("failed", EndReason::Failed),
        ("left", EndReason::ClientLeft),
    ] {
        let mut client = send(server.address, &format!("GET /{kind}")).await;
        read_until(&mut client, "data: x").await;
        drop(client);
        assert_eq!(soon("the reason", reason.recv()).await, Some(expect), "{kind}");
        assert!(reason.try_recv().is_err());
    }
}

#[tokio::test]
async fn connections_and_streams_are_counted_from_their_start_to_their_end() {
    let mut counters = None;
    let server = run(|app| {
        map_guarded(app);
        counters = Some(app.counters());
    })
    .await;
    let counters = counters.unwrap();
    let until = async |what: &str, reached: fn(Snapshot) -> bool| {
        let polls = async {
            while !reached(counters.snapshot()) {
                tokio::task::yield_now().await;
            }
        };
        soon(what, polls).await;
    };
    let mut client = send(server.address, "GET /events").await;
    read_until(&mut client, "first").await;
    let other = send(server.address, "GET /nothing").await;
    until("two connections, one stream", |now| {
        (now.connections_open, now.connections_accepted, now.streams_open) == (2, 2, 1)
    })
    .await;
    drop((client, other));
    until("the end of all", |now| {
        (now.connections_open, now.streams_open, now.streams_client_left) == (0, 0, 1)
    })
    .await;

    let mut client = send(server.address, "GET /events").await;
    read_until(&mut client, "first").await;
    server.shutdown.shutdown();
    soon("the end", server.end).await.unwrap().unwrap();
    let now = counters.snapshot();
    assert_eq!((now.connections_open, now.connections_accepted), (0, 3));
    assert_eq!((now.streams_opened, now.streams_closed, now.streams_open), (2, 1, 0));
}

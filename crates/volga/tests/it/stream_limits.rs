//! Limits on open event streams, as middleware and in a handler.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::stream;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use volga::{
    App, Path,
    http::{
        IntoResponse, RequestParts,
        sse::{Message, RefusalResponse, Sse, StreamLimit},
    },
    middleware::LimitStreams,
    ok, sse,
};

use super::support::{PATIENCE, data2, get2, http2, read_until, run, send, soon};

/// Sends a request that asks for an event stream.
async fn ask_for_stream(address: SocketAddr, line: &str) -> TcpStream {
    let mut stream = soon("the connection", TcpStream::connect(address)).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nhost: test\r\naccept: text/event-stream\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Waits until so many streams are open: the server hears of a client's leaving in its own time.
async fn until_open<K: std::hash::Hash + Clone + Eq>(limit: &StreamLimit<K>, expect: usize) {
    let reached = async {
        while limit.counts().open != expect {
            tokio::task::yield_now().await;
        }
    };
    let within = tokio::time::timeout(PATIENCE, reached).await;
    assert!(within.is_ok(), "{expect} streams: {limit:?}");
}

/// Maps `/events`, and counts how often its handler runs.
fn map_events(app: &mut App) -> Arc<AtomicUsize> {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    app.map_get("/events", move || {
        counted.fetch_add(1, Ordering::Relaxed);
        sse!(stream::pending::<Message>())
    });
    app.map_get("/plain", || ok!("plain"));
    runs
}

#[tokio::test]
async fn beyond_the_limit_a_stream_is_503_before_its_handler_runs_and_running_ones_go_on() {
    let limit = StreamLimit::new(10).with_max_per_key(2);
    let mut runs = None;
    let server = run(|app| {
        app.attach(LimitStreams::by_client(limit.clone()));
        runs = Some(map_events(app));
    })
    .await;
    let runs = runs.unwrap();
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut client = ask_for_stream(server.address, "GET /events").await;
        read_until(&mut client, "retry: 3000").await;
        kept.push(client);
    }
    let mut refused = ask_for_stream(server.address, "GET /events").await;
    let text = read_until(&mut refused, "close one of them first\n").await;
    assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
    let (_, after) = text.split_once("retry-after: ").expect("a time");
    let seconds: u64 = after.lines().next().unwrap().parse().unwrap();
    assert!((5..=35).contains(&seconds), "{seconds}");
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert_eq!((limit.counts().open, limit.counts().refused_per_key), (2, 1));

    // Who does not say that it wants a stream is refused one all the same, and nothing else is.
    let text =
        read_until(&mut send(server.address, "GET /events").await, "close one of them first\n")
            .await;
    assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
    read_until(&mut send(server.address, "GET /plain").await, "plain").await;
    read_until(&mut ask_for_stream(server.address, "GET /nothing").await, "503 ").await;

    drop(kept.pop());
    until_open(&limit, 1).await;
    read_until(&mut ask_for_stream(server.address, "GET /events").await, "retry: 3000").await;
}

#[tokio::test]
async fn a_place_is_given_back_however_its_response_ends() {
    let limit = StreamLimit::new(1);
    let server = run(|app| {
        app.attach(LimitStreams::in_all(limit.clone()));
        map_events(app);
        app.map_get("/short", || sse!(stream::iter([Message::new().data("only")])));
        app.map_get("/failing", || sse!(stream::iter([Err::<Message, _>("broken")])));
        app.map_get("/panic", || -> () { panic!("on purpose") });
        // What it answers is no stream any more.
        app.group("/replaced", |group| {
            group.map_get("/", || sse!(stream::pending::<Message>()));
            group.wrap(async |ctx, next| {
                drop(next.run(ctx).await);
                ok!("replaced")
            });
        });
    })
    .await;
    for line in ["GET /short", "GET /failing", "GET /panic", "GET /replaced", "GET /plain"] {
        read_until(&mut ask_for_stream(server.address, line).await, "\r\n\r\n").await;
        until_open(&limit, 0).await;
    }
    read_until(&mut ask_for_stream(server.address, "HEAD /events").await, "\r\n\r\n").await;
    until_open(&limit, 0).await;

    let client = http2(server.address).await;
    let mut body = get2(&client, "/events").await.into_body();
    data2(&mut body).await.unwrap().unwrap();
    until_open(&limit, 1).await;
    assert_eq!(get2(&client, "/events").await.status(), 503);
    // A reset of the stream; the connection lives.
    drop(body);
    until_open(&limit, 0).await;
    assert_eq!(get2(&client, "/plain").await.status(), 200);
    assert_eq!(limit.counts().refused_by_total, 1);
}

#[tokio::test]
async fn keys_are_what_the_application_makes_of_a_request() {
    let limit = StreamLimit::new(10).with_max_per_key(1);
    let server = run(|app| {
        let user = |parts: &RequestParts| {
            let query = parts.uri.query()?;
            query.strip_prefix("user=").map(str::to_owned)
        };
        map_events(app);
        let route = &mut app.map_get("/limited", || sse!(stream::pending::<Message>()));
        route.attach(LimitStreams::by(limit.clone(), user).with_permit_for_every_request());
    })
    .await;
    let mut kept = Vec::new();
    for (path, expect) in [
        ("/limited?user=anna", "retry: 3000"),
        ("/limited?user=anna", "503 "),
        ("/limited?user=ben", "retry: 3000"),
        ("/limited", "retry: 3000"),
        ("/limited", "retry: 3000"),
        ("/events?user=anna", "retry: 3000"),
    ] {
        let mut client = send(server.address, &format!("GET {path}")).await;
        read_until(&mut client, expect).await;
        kept.push(client);
    }
    assert_eq!((limit.counts().open, limit.counts().keys), (2, 2));
}

#[tokio::test]
async fn a_handler_takes_a_permit_by_itself_and_chooses_the_refusal() {
    let limits = [RefusalResponse::NoContent, RefusalResponse::RetryLater]
        .map(|refusal| StreamLimit::new(1).with_refusal(refusal));
    let counted = limits.clone();
    let server = run(|app| {
        app.map_get("/{limit}", move |Path(limit): Path<usize>| match limits[limit].take(()) {
            Ok(permit) => sse!(Sse::new(stream::pending::<Message>()).hold(permit)),
            Err(refused) => refused.response().into_response(),
        });
    })
    .await;
    for (index, expect) in ["HTTP/1.1 204 ", "\r\n\r\nretry: "].into_iter().enumerate() {
        let path = format!("GET /{index}");
        let mut kept = send(server.address, &path).await;
        read_until(&mut kept, "retry: 3000").await;
        read_until(&mut send(server.address, &path).await, expect).await;
        drop(kept);
        until_open(&counted[index], 0).await;
    }
}

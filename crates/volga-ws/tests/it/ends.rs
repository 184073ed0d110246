//! How a socket ends, and what the function sees of it.

use std::future::pending;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use volga_ws::{CloseCode, CloseReason, SocketEnd, WebSocket, WebSocketSettings, serve};

use crate::support::{
    BINARY, CLOSE, Client, PING, PONG, TEXT, frame, reason, start, start_echo, whole, within,
};

#[tokio::test(start_paused = true)]
async fn what_breaks_the_protocol_is_refused_with_its_code() {
    let unmasked = vec![0x81, 1, b'x'];
    for (what, bytes, code) in [
        ("a frame without a mask", unmasked, 1002),
        ("a reserved bit", frame(0xc1, b"x"), 1002),
        ("a reserved kind", frame(0x83, b"x"), 1002),
        ("a reserved control frame", frame(0x8b, b"x"), 1002),
        ("a continuation of nothing", frame(0x80, b"x"), 1002),
        ("a message within another", [frame(TEXT, b"a"), frame(TEXT, b"b")].concat(), 1002),
        ("a fragmented ping", frame(PING, b"x"), 1002),
        ("a large ping", whole(PING, &[0; 126]), 1002),
        ("a close of one byte", whole(CLOSE, &[3]), 1002),
        ("a close with a code that must not be sent", whole(CLOSE, &reason(1005, "")), 1002),
        ("a text that is not UTF-8", whole(TEXT, b"\xff"), 1007),
        ("half a character", whole(TEXT, b"\xe2\x82"), 1007),
        ("a fragment that is not UTF-8", frame(TEXT, b"\xff"), 1007),
    ] {
        let mut client = start_echo(WebSocketSettings::new());
        client.send(&bytes).await;
        assert_eq!(client.closed().await, code, "{what}");
        let _ = client.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_of_the_client_is_repeated_and_told_with_its_code_and_text() {
    for code in (1000..=1003).chain(1007..=1013).chain([3000, 4000, 4999]) {
        let mut client = start_echo(WebSocketSettings::new());
        client.send(&whole(CLOSE, &reason(code, "bye"))).await;
        client.expect(CLOSE, &reason(code, "bye")).await;
        let end = client.end().await;
        let expect = CloseReason::new(CloseCode::new(code).unwrap(), "bye");
        assert_eq!(end, SocketEnd::ClosedByClient(Some(expect)));
    }
    let mut client = start_echo(WebSocketSettings::new());
    client.send(&whole(CLOSE, b"")).await;
    client.expect(CLOSE, b"").await;
    assert_eq!(client.end().await, SocketEnd::ClosedByClient(None));
}

#[tokio::test(start_paused = true)]
async fn a_function_closes_with_its_reason_after_what_it_sent() {
    let full = || CloseReason::new(CloseCode::TRY_AGAIN_LATER, "full");
    let returned = start(WebSocketSettings::new(), 4096, move |mut socket| async move {
        socket.send("last").await.unwrap();
        full()
    });
    let called = start(WebSocketSettings::new(), 4096, move |mut socket| async move {
        socket.send("last").await.unwrap();
        socket.close(full());
        assert!(socket.send("too late").await.is_err());
        assert_eq!(socket.closed().await, SocketEnd::ClosedByServer(full()));
    });
    let dropped = start(WebSocketSettings::new(), 4096, move |mut socket| async move {
        socket.send("last").await.unwrap();
        drop(socket);
        pending::<()>().await;
    });
    for (mut client, code, text) in
        [(returned, 1013, "full"), (called, 1013, "full"), (dropped, 1000, "")]
    {
        client.expect(TEXT, b"last").await;
        client.expect(CLOSE, &reason(code, text)).await;
        client.send(&whole(CLOSE, &reason(code, ""))).await;
        let SocketEnd::ClosedByServer(end) = client.end().await else { panic!() };
        assert_eq!((end.code().number(), end.text()), (code, text));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_respond_to_a_close_is_left_after_the_close_timeout() {
    let settings = WebSocketSettings::new().close_timeout(Duration::from_secs(7));
    let start_time = Instant::now();
    let mut client = start(settings, 4096, async |_: WebSocket| {});
    assert_eq!(client.closed().await, 1000);
    // What it still sends is discarded.
    client.send(&whole(TEXT, b"hello")).await;
    let end = within(client.server).await.unwrap();
    assert_eq!(end, SocketEnd::ClosedByServer(().into()));
    assert_eq!(start_time.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_closes_with_1001_and_the_function_sees_the_end() {
    let (shutdown, started) = oneshot::channel::<()>();
    let (stream, io) = tokio::io::duplex(4096);
    let server = tokio::spawn(async move {
        let shutdown = async { started.await.unwrap() };
        serve(io, &WebSocketSettings::new(), shutdown, async |mut socket: WebSocket| {
            assert_eq!(socket.recv().await, None);
            assert!(socket.send("x").await.is_err());
        })
        .await
    });
    let mut client = Client { stream, server };
    shutdown.send(()).unwrap();
    assert_eq!(client.closed().await, 1001);
    client.send(&whole(CLOSE, &reason(1001, ""))).await;
    let SocketEnd::ClosedByServer(end) = client.end().await else { panic!() };
    assert_eq!(end.code(), CloseCode::GOING_AWAY);
}

/// Tells when it is dropped.
struct DropReport(mpsc::UnboundedSender<&'static str>);

impl Drop for DropReport {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_disappears_cancels_a_function_that_waits_for_something_else() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let begin = Instant::now();
    let client = start(WebSocketSettings::new(), 4096, async move |_socket: WebSocket| {
        let _report = DropReport(tell);
        pending::<()>().await;
    });
    tokio::task::yield_now().await;
    drop(client.stream);
    assert_eq!(within(told.recv()).await, Some("dropped"));
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(within(client.server).await.unwrap(), SocketEnd::Disconnected);
}

#[tokio::test(start_paused = true)]
async fn a_function_gets_what_arrived_and_then_the_end_and_may_finish() {
    for is_abrupt in [false, true] {
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut client =
            start(WebSocketSettings::new(), 4096, async move |mut socket: WebSocket| {
                while let Some(message) = socket.recv().await {
                    tell.send(message.as_text().unwrap().to_owned()).unwrap();
                }
                assert_eq!(socket.end().unwrap().is_abrupt(), is_abrupt);
                tokio::time::sleep(Duration::from_secs(4)).await;
                tell.send("finished".to_owned()).unwrap();
                tokio::time::sleep(Duration::from_secs(4)).await;
                tell.send("it has had more than its 5 seconds".to_owned()).unwrap();
            });
        client.send(&[whole(TEXT, b"a"), whole(TEXT, b"b")].concat()).await;
        if !is_abrupt {
            client.send(&whole(CLOSE, b"")).await;
        }
        drop(client.stream);
        for expect in ["a", "b", "finished"] {
            assert_eq!(within(told.recv()).await.as_deref(), Some(expect));
        }
        within(client.server).await.expect("no panic");
        assert_eq!(told.recv().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_gets_pings_and_is_left_when_it_does_not_respond() {
    let mut client = start_echo(WebSocketSettings::new());
    let begin = Instant::now();
    for round in 1..=3 {
        client.expect(PING, b"").await;
        assert_eq!(begin.elapsed().as_secs(), 30 * round);
        client.send(&whole(PONG, b"")).await;
    }
    client.expect(PING, b"").await;
    let Client { stream: _stream, server } = client;
    assert_eq!(within(server).await.unwrap(), SocketEnd::TimedOut);
    assert_eq!(begin.elapsed().as_secs(), 30 * 4 + 30);
}

#[tokio::test(start_paused = true)]
async fn any_byte_of_the_client_spares_it_the_ping() {
    let mut client = start_echo(WebSocketSettings::new());
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(29)).await;
        client.send(&whole(BINARY, b"x")).await;
        client.expect(BINARY, b"x").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_socket_without_messages_is_closed_at_its_idle_timeout_although_pongs_come() {
    let settings = WebSocketSettings::new().idle_timeout(Duration::from_secs(100));
    let mut client = start_echo(settings);
    let begin = Instant::now();
    tokio::time::sleep(Duration::from_secs(20)).await;
    client.send(&whole(TEXT, b"x")).await;
    client.expect(TEXT, b"x").await;
    let code = loop {
        match client.frame().await {
            (PING, _) => client.send(&whole(PONG, b"")).await,
            (CLOSE, payload) => break u16::from_be_bytes([payload[0], payload[1]]),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((code, begin.elapsed().as_secs()), (1000, 120));
}

#[tokio::test(start_paused = true)]
async fn a_client_is_not_left_for_a_pong_that_the_server_does_not_read() {
    let (go, wait) = oneshot::channel::<()>();
    let settings = WebSocketSettings::new().max_unread_bytes(1);
    let mut client = start(settings, 4096, async move |mut socket: WebSocket| {
        wait.await.unwrap();
        assert_eq!(socket.recv().await.unwrap().as_text(), Some("a"));
        socket.send("got it").await.unwrap();
        socket.recv().await;
    });
    client.send(&whole(TEXT, b"a")).await;
    tokio::time::sleep(Duration::from_secs(3000)).await;
    go.send(()).unwrap();
    loop {
        match client.frame().await {
            (PING, _) => {}
            found => break assert_eq!(found, (TEXT, b"got it".to_vec())),
        }
    }
}

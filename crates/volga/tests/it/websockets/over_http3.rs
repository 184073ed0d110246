//! WebSockets on HTTP/3 (RFC 9220). The routes are those of the other protocols.

use tokio::sync::mpsc;
use volga::error::Error;
use volga::http::ws::{Message, WebSocket, WebSocketSettings};
use volga::http::{ConnectionInfo, Extension};
use volga::{App, CancellationToken, Header};

use super::client::{CLOSE, Client, Http3};
use super::{DropReport, Key};
use crate::support::soon;
use crate::tls_support::{Pair, Running, run};

async fn serve(pair: &Pair, map: impl FnOnce(&mut App)) -> Running {
    let mut app = App::new().bind("127.0.0.1:0").with_tls(pair.tls()).with_http3();
    map(&mut app);
    run(app).await
}

async fn connect(pair: &Pair, server: &Running) -> Http3 {
    Http3::over(pair.connect_quic(server.addresses[0]).await).await
}

#[tokio::test]
async fn a_registration_serves_http3_with_arguments_and_json_beside_other_sockets() {
    let pair = Pair::new();
    let server = serve(&pair, |app| {
        app.map_ws("/room/{name}", async |mut socket: WebSocket, name: String| {
            while let Some(number) = socket.recv_json::<u32>().await {
                socket.send_json(&(number? * 2, &name)).await?;
            }
            Ok::<(), Error>(())
        });
        app.map_msg("/echo", async |message: Message| message);
        app.map_ws(
            "/alpn",
            async |mut socket: WebSocket, Extension(info): Extension<ConnectionInfo>| {
                let alpn = info.alpn().map(String::from_utf8_lossy).unwrap_or_default();
                let _ = socket.send(alpn.into_owned()).await;
            },
        );
    })
    .await;
    let connection = connect(&pair, &server).await;
    // SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 9220, section 5).
    assert!(connection.settings().await.windows(2).any(|part| part == [0x08, 0x01]));
    let (status, mut room) = connection.connect("/room/tea", &[]).await;
    assert_eq!(status, 200);
    let (_, mut echo) = connection.connect("/echo", &[]).await;
    room.text("21").await;
    room.expect("[42,\"tea\"]").await;
    echo.text("hello").await;
    echo.expect("hello").await;
    let long = "x".repeat(100);
    for _ in 0..2_000 {
        echo.text(&long).await;
    }
    for _ in 0..2_000 {
        echo.expect(&long).await;
    }
    room.text("x").await;
    assert_eq!(room.closed().await.0, 1007);
    echo.frame(CLOSE, &1000_u16.to_be_bytes()).await;
    assert_eq!(echo.read().await.0, CLOSE);
    let (_, mut alpn) = connection.connect("/alpn", &[]).await;
    alpn.expect("h3").await;
    assert_eq!(alpn.closed().await.0, 1000);
}

#[tokio::test]
async fn what_is_wrong_with_a_handshake_has_its_status() {
    let pair = Pair::new();
    let server = serve(&pair, |app| {
        let settings = WebSocketSettings::new().protocols(["v2", "v1"]);
        app.map_ws_with("/{n}", settings, async |mut socket: WebSocket, _: u32, _: Header<Key>| {
            let protocol = socket.protocol().unwrap_or("none").to_owned();
            let _ = socket.send(protocol).await;
        })
        .filter(async |n: u32| n != 13);
    })
    .await;
    let connection = connect(&pair, &server).await;
    let good = ("x-key", "1");
    for (path, fields, expect) in [
        ("/1", vec![good], 200),
        ("/x", vec![good], 400),
        ("/1", vec![], 400),
        ("/13", vec![good], 403),
        ("/1", vec![good, ("origin", "https://localhost")], 200),
        ("/1", vec![good, ("origin", "null")], 403),
        ("/1", vec![good, ("sec-websocket-version", "8")], 400),
    ] {
        assert_eq!(connection.connect(path, &fields).await.0, expect, "{path} {fields:?}");
    }
    let fields = [good, ("sec-websocket-protocol", "v1, v2")];
    let (_, mut client) = connection.connect("/1", &fields).await;
    client.expect("v2").await;
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_function() {
    let pair = Pair::new();
    let (tell, mut told) = mpsc::unbounded_channel();
    let server = serve(&pair, |app| {
        app.map_ws("/", async move |mut socket: WebSocket, token: CancellationToken| {
            let cancelled = tell.clone();
            token.on_cancel(move || cancelled.send("cancelled").unwrap());
            let _report = DropReport(tell);
            socket.send("open").await.unwrap();
            std::future::pending::<()>().await;
        });
    })
    .await;
    for closes_connection in [false, true] {
        let connection = connect(&pair, &server).await;
        let (_, mut client) = connection.connect("/", &[]).await;
        client.expect("open").await;
        assert!(told.try_recv().is_err());
        if closes_connection {
            connection.quic.close(0x100_u32.into(), b"");
        } else {
            // quinn stops and ends the stream that is dropped.
            let Client { stream, driver } = client;
            driver.abort();
            drop(stream);
        }
        for expect in ["dropped", "cancelled"] {
            assert_eq!(soon("the end", told.recv()).await, Some(expect));
        }
    }
}

#[tokio::test]
async fn a_shutdown_closes_with_1001_and_waits_for_the_client_and_the_function() {
    let pair = Pair::new();
    let server = serve(&pair, |app| {
        app.map_ws("/", async |mut socket: WebSocket| {
            socket.send("open").await.unwrap();
            assert!(socket.recv().await.is_none());
        });
    })
    .await;
    let connection = connect(&pair, &server).await;
    let (_, mut client) = connection.connect("/", &[]).await;
    client.expect("open").await;
    server.shutdown.shutdown();
    assert_eq!(client.closed().await.0, 1001);
    drop(client);
    soon("the end", server.end).await.unwrap().unwrap();
}

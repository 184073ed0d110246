//! WebSockets on HTTP/1.1 and HTTP/2. `over_http3.rs` has those on HTTP/3.

pub(crate) mod client;
mod over_http3;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use volga::di::Dc;
use volga::error::{Error, Problem};
use volga::http::sse::{Hub, Message as SseMessage, Policy, Resume, SubscriptionEnd};
use volga::http::ws::{ForwardEnd, Message, WebSocket, WebSocketSettings, forward, read_resume};
use volga::{App, CancellationToken, Header, Json, headers, ok};

use self::client::{CLOSE, Client, HANDSHAKE, connect, http1, open_both};
use crate::support::{ask, run, run_app, soon};

headers! { (Key, "x-key") }

#[tokio::test]
async fn one_registration_serves_both_protocols_with_arguments_and_json() {
    let server = run(|app| {
        app.map_ws("/room/{name}", async |mut socket: WebSocket, name: String| {
            while let Some(number) = socket.recv_json::<u32>().await {
                socket.send_json(&(number? * 2, &name)).await?;
            }
            Ok::<(), Error>(())
        });
        app.map_msg("/echo", async |message: Message| message);
        app.map_msg("/sum/{n}", async |Json(add): Json<u32>, n: u32| Json(n + add));
        app.map_msg("/quiet", async |text: String| (text == "speak").then_some("word"));
    })
    .await;
    for mut client in open_both(server.address, "/room/tea").await {
        client.text("21").await;
        client.expect("[42,\"tea\"]").await;
        client.text("x").await;
        assert_eq!(client.closed().await.0, 1007);
    }
    for mut client in open_both(server.address, "/echo").await {
        client.text("hello").await;
        client.expect("hello").await;
        client.frame(CLOSE, &1000_u16.to_be_bytes()).await;
        assert_eq!(client.read().await.0, CLOSE);
    }
    for mut client in open_both(server.address, "/sum/40").await {
        client.text("2").await;
        client.expect("42").await;
        client.text("two").await;
        assert_eq!(client.closed().await.0, 1007);
    }
    for mut client in open_both(server.address, "/quiet").await {
        client.text("hush").await;
        client.text("speak").await;
        client.expect("word").await;
        client.frame(2, b"bytes").await;
        assert_eq!(client.closed().await, (1003, "this WebSocket takes texts".to_owned()));
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_handshake_has_its_status_on_both_protocols() {
    let server = run(|app| {
        app.map_ws("/{n}", async |_: WebSocket, _: u32, _: Header<Key>| {})
            .filter(async |n: u32| n != 13);
    })
    .await;
    let address = server.address;
    let key = format!("{HANDSHAKE}x-key: 1\r\n");
    for (path, fields, expect) in [
        ("/1", key.clone(), "101"),
        // The arguments refuse with their own status.
        ("/x", key.clone(), "400"),
        ("/1", HANDSHAKE.to_owned(), "400"),
        ("/13", key.clone(), "403"),
        ("/1", format!("{key}origin: https://test\r\n"), "101"),
        ("/1", format!("{key}origin: https://evil.example\r\n"), "403"),
        ("/1", key.replace("version: 13", "version: 8"), "426"),
        ("/1", key.replace("upgrade: websocket\r\n", ""), "426"),
        ("/1", key.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ=="), "400"),
    ] {
        let (head, _) = http1(address, path, &fields).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {expect} ")), "{path} {fields}: {head}");
        if expect == "426" {
            assert!(head.contains("upgrade: websocket\r\n"), "{head}");
            assert!(head.contains("sec-websocket-version: 13\r\n"), "{head}");
        }
    }
    let good = ("x-key", "1");
    for (path, fields, expect) in [
        ("/1", vec![good], 200),
        ("/x", vec![good], 400),
        ("/1", vec![], 400),
        ("/13", vec![good], 403),
        ("/1", vec![good, ("origin", "https://test")], 200),
        ("/1", vec![good, ("origin", "null")], 403),
        ("/1", vec![good, ("sec-websocket-version", "8")], 400),
    ] {
        assert_eq!(connect(address, path, &fields).await.0, expect, "{path} {fields:?}");
    }
    let post = ask(address, "POST /1").await;
    assert!(post.starts_with("HTTP/1.1 405 ") && post.contains("allow: GET, CONNECT"), "{post}");
    assert!(ask(address, "GET /1").await.starts_with("HTTP/1.1 426 "));
}

#[tokio::test]
async fn the_subprotocol_is_negotiated_and_the_settings_are_used() {
    let settings = WebSocketSettings::new().protocols(["v2", "v1"]).max_message_bytes(10);
    let server = run(|app| {
        app.map_ws_with("/", settings, async |mut socket: WebSocket| {
            let protocol = socket.protocol().unwrap_or("none").to_owned();
            let _ = socket.send(protocol).await;
            socket.recv().await;
        });
    })
    .await;
    let offer = format!("{HANDSHAKE}sec-websocket-protocol: v0, v1, v2\r\n");
    let (head, first) = http1(server.address, "/", &offer).await;
    assert!(head.contains("sec-websocket-protocol: v2\r\n"), "{head}");
    let (_, second) = connect(server.address, "/", &[("sec-websocket-protocol", "v2")]).await;
    for mut client in [first, second] {
        client.expect("v2").await;
        client.text("more than ten").await;
        assert_eq!(client.closed().await.0, 1009);
    }
}

#[tokio::test]
async fn errors_and_panics_close_with_a_code_and_only_those_of_the_server_are_reported() {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let app = {
        let reports = Arc::clone(&reports);
        App::new().on_error(move |report| {
            reports.lock().unwrap().push(format!("{} {report}", report.path()));
        })
    };
    let mut app = app;
    app.map_ws("/error", async |_: WebSocket| Err::<(), _>(io::Error::other("the disk is full")));
    app.map_ws("/panic", async |_: WebSocket| -> () { panic!("a mistake") });
    app.map_ws("/client", async |_: WebSocket| {
        Err::<(), Error>(Problem::new(409).with_detail("the room is full").into())
    });
    app.map_msg("/reply", async |_: Message| Err::<String, _>(io::Error::other("no reply")));
    let server = run_app(app).await;
    for path in ["/error", "/panic", "/client", "/reply"] {
        for mut client in open_both(server.address, path).await {
            client.text("x").await;
            let (code, text) = client.closed().await;
            match path {
                "/client" => assert!(code == 1008 && text.contains("the room is full"), "{text}"),
                _ => assert_eq!((code, &*text), (1011, "the server has failed")),
            }
        }
    }
    let reports = reports.lock().unwrap();
    assert_eq!(reports.len(), 6, "{reports:#?}");
    for text in ["/error", "the disk is full", "/panic", "a mistake", "/reply", "no reply"] {
        assert_eq!(reports.iter().filter(|report| report.contains(text)).count(), 2, "{text}");
    }
}

/// Tells when it is dropped.
struct DropReport(mpsc::UnboundedSender<&'static str>);

impl Drop for DropReport {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_function_and_fires_its_token() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let server = run(|app| {
        app.map_ws("/", async move |mut socket: WebSocket, token: CancellationToken| {
            let cancelled = tell.clone();
            token.on_cancel(move || cancelled.send("cancelled").unwrap());
            let _report = DropReport(tell);
            socket.send(if token.is_cancelled() { "cancelled" } else { "open" }).await.unwrap();
            std::future::pending::<()>().await;
        });
    })
    .await;
    for mut client in open_both(server.address, "/").await {
        client.expect("open").await;
        assert!(told.try_recv().is_err());
        let Client { stream, driver } = client;
        driver.abort();
        drop(stream);
        for expect in ["dropped", "cancelled"] {
            assert_eq!(soon("the end", told.recv()).await, Some(expect));
        }
    }
}

#[tokio::test]
async fn a_shutdown_closes_with_1001_and_waits_for_the_client_and_the_function() {
    let server = run(|app| {
        app.map_ws("/", async |mut socket: WebSocket| {
            socket.send("open").await.unwrap();
            assert!(socket.recv().await.is_none());
        });
    })
    .await;
    let mut clients = open_both(server.address, "/").await;
    for client in &mut clients {
        client.expect("open").await;
    }
    server.shutdown.shutdown();
    for client in &mut clients {
        assert_eq!(client.closed().await.0, 1001);
    }
    drop(clients);
    soon("the end", server.end).await.unwrap().unwrap();

    let mut app = App::new().with_shutdown_timeout(Duration::from_millis(50));
    app.map_ws("/", async |mut socket: WebSocket| {
        socket.send("open").await.unwrap();
        std::future::pending::<()>().await;
    });
    let server = run_app(app).await;
    let mut clients = open_both(server.address, "/").await;
    for client in &mut clients {
        client.expect("open").await;
    }
    server.shutdown.shutdown();
    soon("the end", server.end).await.unwrap().expect_err("two functions were aborted");
}

#[tokio::test]
async fn many_small_unread_messages_do_not_end_the_connection() {
    const MESSAGES: usize = 20_000;
    let (go, wait) = tokio::sync::watch::channel(false);
    let server = run(|app| {
        app.map_ws("/", async move |mut socket: WebSocket| {
            let mut wait = wait;
            wait.wait_for(|go| *go).await.unwrap();
            for _ in 0..MESSAGES {
                assert_eq!(socket.recv().await.unwrap().as_text(), Some("x"));
            }
            socket.send("all").await.unwrap();
        });
        app.map_get("/other", || ok!("alive"));
    })
    .await;
    let mut requests = crate::support::http2(server.address).await;
    while !requests.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    let request = http::Request::connect("http://test/")
        .header("sec-websocket-version", "13")
        .extension(h2::ext::Protocol::from_static("websocket"));
    let (response, mut send) = requests.send_request(request.body(()).unwrap(), false).unwrap();
    let mut body = soon("the response", response).await.unwrap().into_body();
    for _ in 0..MESSAGES {
        let frame = bytes::Bytes::from_static(&[0x81, 0x81, 0, 0, 0, 0, b'x']);
        send.send_data(frame, false).unwrap();
    }
    // The connection answers others while the messages lie unread.
    for _ in 0..5 {
        let response = crate::support::get2(&requests, "/other").await;
        assert_eq!(response.status(), 200);
    }
    go.send(true).unwrap();
    let data = soon("the reply", body.data()).await.unwrap().unwrap();
    // The function has returned by then, so the close may be in the same piece.
    assert!(data.starts_with(b"\x81\x03all"), "{data:?}");
}

/// Otherwise a reader that stalls would find a gap instead of the end.
#[tokio::test]
async fn the_subscription_of_a_client_that_reads_nothing_ends_all_the_same() {
    let hub = Hub::builder().max_messages(64).build();
    let (told, mut ends) = mpsc::unbounded_channel();
    let server = {
        let hub = hub.clone();
        run(move |app| {
            app.map_ws("/{policy}", move |socket: WebSocket, policy: String| {
                let (hub, told) = (hub.clone(), told.clone());
                async move {
                    let policy = if policy == "close" { Policy::close() } else { Policy::Gap };
                    let news = hub.subscribe("news").identity("anna").policy(policy);
                    let mut news = news.open()?;
                    let (mut sink, _stream) = socket.split();
                    told.send(forward(&mut sink, &mut news).await).unwrap();
                    Ok::<(), Error>(())
                }
            });
        })
        .await
    };
    for (path, end) in
        [("/close", SubscriptionEnd::TooSlow), ("/gap", SubscriptionEnd::IdentityClosed)]
    {
        let mut clients = open_both(server.address, path).await;
        for client in &mut clients {
            assert!(client.read().await.1.contains("id"), "it has caught up");
        }
        let data = "x".repeat(1024);
        for _ in 0..8_000 {
            hub.publish("news", SseMessage::new().data(&data)).unwrap();
            tokio::task::yield_now().await;
        }
        if end == SubscriptionEnd::IdentityClosed {
            assert_eq!(hub.close_identity("anna"), 2);
        }
        for _ in &clients {
            let ended = soon("the end", ends.recv()).await;
            assert_eq!(ended, Some(ForwardEnd::SubscriptionEnded(Some(end))));
        }
    }
}

#[tokio::test]
async fn a_subscription_is_forwarded_and_resumes_from_the_url_or_the_first_message() {
    let hub = Hub::builder().max_messages(4).build();
    let server = {
        let hub = hub.clone();
        run(move |app| {
            app.add_singleton(hub);
            app.map_ws("/url", async |socket: WebSocket, Resume(last): Resume, hub: Dc<Hub>| {
                let mut news = hub.subscribe("news").resume(last).open()?;
                let (mut sink, _stream) = socket.split();
                forward(&mut sink, &mut news).await;
                Ok::<(), Error>(())
            });
            app.map_ws("/first", async |mut socket: WebSocket, hub: Dc<Hub>| {
                let Some(first) = socket.recv().await else { return Ok(()) };
                let mut news = hub.subscribe("news").resume(read_resume(&first)).open()?;
                let (mut sink, _stream) = socket.split();
                forward(&mut sink, &mut news).await;
                Ok::<(), Error>(())
            });
        })
        .await
    };
    let next = async |client: &mut Client| -> serde_json::Value {
        serde_json::from_str(&client.read().await.1).unwrap()
    };
    let [mut http1, mut http2] = open_both(server.address, "/url").await;
    for client in [&mut http1, &mut http2] {
        // A new client gets its position first.
        assert!(next(client).await.get("data").is_none());
    }
    let mut id = String::new();
    for n in 0..3 {
        hub.publish("news", SseMessage::new().event("n").data(n.to_string())).unwrap();
        for client in [&mut http1, &mut http2] {
            let message = next(client).await;
            assert_eq!((&message["event"], &message["data"]), (&"n".into(), &n.to_string().into()));
            if n == 0 {
                id = message["id"].as_str().unwrap().to_owned();
            }
        }
    }
    for mut client in open_both(server.address, &format!("/url?lastEventId={id}")).await {
        assert_eq!(next(&mut client).await["data"], "1");
        assert_eq!(next(&mut client).await["data"], "2");
    }
    for mut client in open_both(server.address, "/first").await {
        client.text(&serde_json::json!({ "lastEventId": id }).to_string()).await;
        assert_eq!(next(&mut client).await["data"], "1");
    }
    for n in 3..9 {
        hub.publish("news", SseMessage::new().data(n.to_string())).unwrap();
    }
    // The hub holds four messages: the client is told what it has missed.
    for mut client in open_both(server.address, &format!("/url?lastEventId={id}")).await {
        let gap = next(&mut client).await;
        assert_eq!(gap["event"], "gap");
        assert!(gap["data"].as_str().unwrap().contains("through"), "{gap}");
        assert_eq!(next(&mut client).await["data"], "5");
    }
}

//! WebTransport sessions of an app. `wtransport` is the client, and `h3` where a status matters.

use std::{
    fmt,
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use quinn::{ClientConfig, Endpoint, crypto::rustls::QuicClientConfig};
use rustls::{RootCertStore, crypto::ring};
use tokio::sync::mpsc;
use volga::{
    App, Header,
    di::Dc,
    error::{Error, Problem},
    headers,
    http::webtransport::{
        WebTransport, WebTransportCloseInfo, WebTransportEnd, WebTransportSettings,
    },
    middleware::{HttpContext, Next},
    ok,
};
use wtransport::{
    config::{DnsLookupFuture, DnsResolver},
    error::{ConnectingError, ConnectionError},
};

use super::support::soon;
use super::tls_support::{Pair, Running, run};

headers! { (Key, "x-key") }

struct Address(SocketAddr);

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl DnsResolver for Address {
    fn resolve(&self, _: &str) -> Pin<Box<dyn DnsLookupFuture>> {
        let address = self.0;
        Box::pin(async move { Ok(Some(address)) })
    }
}

fn tls(pair: &Pair) -> rustls::ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(pair.der()).unwrap();
    let mut config =
        rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.alpn_protocols = vec![b"h3".to_vec()];
    config
}

async fn open(
    pair: &Pair,
    server: &Running,
    path: &str,
) -> Result<wtransport::Connection, ConnectingError> {
    let address = server.addresses[0];
    let config = wtransport::ClientConfig::builder()
        .with_bind_address("127.0.0.1:0".parse().unwrap())
        .with_custom_tls(tls(pair))
        .dns_resolver(Address(address))
        .build();
    let endpoint = wtransport::Endpoint::client(config).unwrap();
    let url = format!("https://localhost:{}{path}", address.port());
    soon("a session", endpoint.connect(url)).await
}

/// The code and the text with which the server closes a session.
async fn closed(client: &wtransport::Connection) -> (u64, String) {
    let closing = async {
        loop {
            // This client takes a closed session for the end of the connection.
            if let Err(error) = client.accept_uni().await {
                return error;
            }
        }
    };
    match soon("the close", closing).await {
        ConnectionError::ApplicationClosed(close) => {
            let text = String::from_utf8(close.reason().to_vec()).unwrap();
            (close.code().into_inner(), text)
        }
        error => panic!("{error}"),
    }
}

/// A connection of `h3`.
async fn connect(
    pair: &Pair,
    server: &Running,
) -> h3::client::SendRequest<h3_quinn::OpenStreams, Bytes> {
    let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls(pair)).unwrap()));
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let connecting = endpoint.connect_with(config, server.addresses[0], "localhost").unwrap();
    let quic = soon("a connection", connecting).await.unwrap();
    let mut builder = h3::client::builder();
    let connection = h3_quinn::Connection::new(quic);
    let (mut driver, requests) =
        soon("HTTP/3", builder.enable_extended_connect(true).build(connection)).await.unwrap();
    tokio::spawn(async move { poll_fn(|cx| driver.poll_close(cx)).await });
    requests
}

fn app(pair: &Pair) -> App {
    App::new().bind("127.0.0.1:0").with_tls(pair.tls()).with_http3()
}

#[tokio::test]
async fn a_session_has_arguments_services_and_middleware() {
    let pair = Pair::new();
    let mut app = app(&pair);
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    app.add_singleton(String::from("tea"));
    app.group("/rooms/{room}", |rooms| {
        rooms.wrap(move |ctx: HttpContext, next: Next| {
            counter.fetch_add(1, Ordering::Relaxed);
            async move { next.run(ctx).await }
        });
        rooms.map_webtransport(
            "/{seat}",
            async |session: WebTransport, room: String, seat: u32, drink: Dc<String>| {
                while let Some((mut send, mut receive)) = session.accept_bidirectional().await {
                    let text = receive.read_to_end(100).await?;
                    send.write_all(format!("{room} {seat} {} ", *drink).as_bytes()).await?;
                    send.write_all(&text).await?;
                    send.finish().await?;
                }
                Ok::<(), Error>(())
            },
        );
    });
    app.map_get("/", || ok!("hello"));
    let server = run(app).await;
    let client = open(&pair, &server, "/rooms/blue/7").await.unwrap();
    let opening = soon("a stream", client.open_bi()).await.unwrap();
    let (mut send, mut receive) = soon("a stream", opening).await.unwrap();
    soon("room", send.write_all(b"please")).await.unwrap();
    soon("room", send.finish()).await.unwrap();
    let mut text = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut receive, &mut text);
    soon("the reply", reading).await.unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), "blue 7 tea please");
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_request_that_cannot_open_a_session_has_its_status() {
    let pair = Pair::new();
    let mut app = app(&pair);
    app.map_webtransport("/{n}", async |_: WebTransport, _: u32, _: Header<Key>| {})
        .filter(async |n: u32| n != 13);
    let listed = WebTransportSettings::new().origins(["https://app.example"]);
    app.map_webtransport_with("/listed/{n}", listed, async |_: WebTransport, _: u32| {});
    app.map_get("/get", || ok!("hello"));
    let server = run(app).await;
    let port = server.addresses[0].port();
    let here = format!("https://localhost:{port}");
    let mut requests = connect(&pair, &server).await;
    for (method, path, fields, expect) in [
        ("CONNECT", "/1", vec![("x-key", "1")], 200),
        ("CONNECT", "/x", vec![("x-key", "1")], 400),
        ("CONNECT", "/1", vec![], 400),
        ("CONNECT", "/13", vec![("x-key", "1")], 403),
        ("CONNECT", "/1", vec![("x-key", "1"), ("origin", &here)], 200),
        ("CONNECT", "/1", vec![("x-key", "1"), ("origin", "https://elsewhere.example")], 403),
        ("CONNECT", "/listed/1", vec![("origin", "https://app.example")], 200),
        ("CONNECT", "/listed/1", vec![("origin", "https://elsewhere.example")], 403),
        ("CONNECT", "/none/of/these", vec![], 404),
        ("GET", "/1", vec![("x-key", "1")], 405),
        ("POST", "/1", vec![("x-key", "1")], 405),
        ("GET", "/get", vec![], 200),
    ] {
        let mut request = Request::builder().method(method).uri(format!("{here}{path}"));
        if method == "CONNECT" {
            request = request.extension(h3::ext::Protocol::WEB_TRANSPORT);
        }
        for (name, value) in &fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let mut stream = soon("credit", requests.send_request(request)).await.unwrap();
        if method != "CONNECT" {
            soon("credit", stream.finish()).await.unwrap();
        }
        let response = soon("a response", stream.recv_response()).await.unwrap();
        assert_eq!(response.status(), expect, "{method} {path} {fields:?}");
    }
}

#[tokio::test]
async fn the_end_of_the_function_closes_the_session_and_errors_are_reported() {
    let pair = Pair::new();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&reports);
    let mut app =
        app(&pair).on_error(move |report| log.lock().unwrap().push(report.error().to_string()));
    app.map_webtransport("/done", async |_: WebTransport| {});
    app.map_webtransport("/full", async |_: WebTransport| WebTransportCloseInfo::new(42, "full"));
    app.map_webtransport("/sorry", async |_: WebTransport| {
        Err::<(), _>(Error::from(Problem::new(409).with_detail("the seat is taken")))
    });
    app.map_webtransport("/fail", async |_: WebTransport| {
        Err::<(), _>(Error::server_error("the disk is full"))
    });
    app.map_webtransport("/panic", async |session: WebTransport| {
        assert!(session.end().is_some(), "on purpose");
    });
    app.map_webtransport("/late", async |session: WebTransport| {
        session.closed().await;
        session.open_unidirectional().await?;
        Ok::<(), Error>(())
    });
    let server = run(app).await;
    for (path, code, text) in [
        ("/done", 0, ""),
        ("/full", 42, "full"),
        ("/sorry", 409, "the seat is taken"),
        ("/fail", 500, "the server has failed"),
        ("/panic", 500, "the server has failed"),
    ] {
        let client = open(&pair, &server, path).await.unwrap();
        assert_eq!(closed(&client).await, (code, text.to_owned()), "{path}");
    }
    open(&pair, &server, "/late").await.unwrap().close(wtransport::VarInt::from_u32(0), b"");
    server.shutdown.shutdown();
    soon("the end", server.end).await.unwrap().unwrap();
    let reports = std::mem::take(&mut *reports.lock().unwrap());
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(reports[0].contains("the disk is full") && reports[1].contains("on purpose"));
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_function() {
    struct SendOnDrop(mpsc::UnboundedSender<Option<WebTransportEnd>>, WebTransport);

    impl Drop for SendOnDrop {
        fn drop(&mut self) {
            let _ = self.0.send(self.1.end());
        }
    }

    let pair = Pair::new();
    let (sender, mut dropped) = mpsc::unbounded_channel();
    let mut app = app(&pair);
    app.map_webtransport("/", async move |session: WebTransport| {
        let _guard = SendOnDrop(sender.clone(), session);
        std::future::pending::<()>().await;
    });
    let server = run(app).await;
    let client = open(&pair, &server, "/").await.unwrap();
    client.close(wtransport::VarInt::from_u32(0), b"");
    soon("the end of the function", dropped.recv()).await.unwrap();
}

#[tokio::test]
async fn a_shutdown_tells_the_function_and_waits_for_it() {
    let pair = Pair::new();
    let mut app = app(&pair).with_shutdown_timeout(Duration::from_secs(60));
    app.map_webtransport("/", async |session: WebTransport| {
        session.draining().await;
        let mut send = session.open_unidirectional().await?;
        send.write_all(b"farewell").await?;
        send.finish().await?;
        Ok::<_, Error>((7, "bye"))
    });
    let server = run(app).await;
    let client = open(&pair, &server, "/").await.unwrap();
    server.shutdown.shutdown();
    let mut receive = soon("a stream", client.accept_uni()).await.unwrap();
    let mut text = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut receive, &mut text);
    soon("the farewell", reading).await.unwrap();
    assert_eq!(text, b"farewell");
    assert_eq!(closed(&client).await, (7, "bye".to_owned()));
    soon("the end", server.end).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_route_for_sessions_needs_http3() {
    let mut app = App::new().bind("127.0.0.1:0").without_greeter().without_error_line();
    app.map_webtransport("/", async |_: WebTransport| {});
    let error = app.run().await.unwrap_err();
    assert_eq!(error.to_string(), "`map_webtransport` needs HTTP/3: call `with_http3`");
}

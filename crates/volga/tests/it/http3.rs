//! An app over HTTP/3. The client is `h3` on quinn, which is other code than the server's.

use std::{
    future::poll_fn,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use h3::client::{RequestStream, SendRequest};
use http::{Request, Response};
use quinn::{
    ClientConfig, Connection, Endpoint, TransportConfig, crypto::rustls::QuicClientConfig,
};
use rustls::{RootCertStore, crypto::ring};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::TlsConnector;
use volga::{
    App, Json,
    http::{
        ClientScheme, HeaderMap, HttpRequest,
        sse::{EndReason, Hub, Message, Resume, Sse},
    },
    ok, sse,
};

use super::support::{PATIENCE, read_to_end_of, soon};
use super::tls_support::{Pair, run};

impl Pair {
    fn client_config(&self) -> rustls::ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// Connects over QUIC, for HTTP/3.
    pub(crate) async fn connect_quic(&self, address: SocketAddr) -> Connection {
        self.connect_quic_with(address, TransportConfig::default()).await
    }

    async fn connect_quic_with(
        &self,
        address: SocketAddr,
        transport: TransportConfig,
    ) -> Connection {
        let mut config = self.client_config();
        config.alpn_protocols = vec![b"h3".to_vec()];
        let config = QuicClientConfig::try_from(config).unwrap();
        let any: SocketAddr =
            if address.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }.parse().unwrap();
        let endpoint = Endpoint::client(any).unwrap();
        let mut config = ClientConfig::new(Arc::new(config));
        config.transport_config(Arc::new(transport));
        let connecting = endpoint.connect_with(config, address, "localhost");
        soon("a connection", connecting.unwrap()).await.unwrap()
    }

    async fn connect_http3(&self, address: SocketAddr) -> Client {
        self.connect_http3_with(address, TransportConfig::default()).await
    }

    /// The same with other windows.
    pub(crate) async fn connect_http3_with(
        &self,
        address: SocketAddr,
        transport: TransportConfig,
    ) -> Client {
        let quic = self.connect_quic_with(address, transport).await;
        let connection = h3_quinn::Connection::new(quic.clone());
        let (mut driver, requests) = soon("HTTP/3", h3::client::new(connection)).await.unwrap();
        tokio::spawn(async move { poll_fn(|cx| driver.poll_close(cx)).await });
        Client { quic, requests }
    }

    /// Sends a request over TLS, and returns the whole response.
    async fn ask_over_tcp(&self, address: SocketAddr, line: &str) -> String {
        let stream = TcpStream::connect(address).await.unwrap();
        let connector = TlsConnector::from(Arc::new(self.client_config()));
        let name = "localhost".try_into().unwrap();
        let mut stream = soon("TLS", connector.connect(name, stream)).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        read_to_end_of(&mut stream).await
    }
}

pub(crate) struct Client {
    quic: Connection,
    requests: SendRequest<h3_quinn::OpenStreams, Bytes>,
}

pub(crate) type ClientStream = RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

impl Client {
    /// Sends a request, and returns the head of the response.
    pub(crate) async fn send(
        &mut self,
        request: http::request::Builder,
        body: &'static str,
    ) -> (Response<()>, ClientStream) {
        let request = request.body(()).unwrap();
        let mut stream = soon("credit", self.requests.send_request(request)).await.unwrap();
        if !body.is_empty() {
            soon("credit", stream.send_data(body.into())).await.unwrap();
        }
        soon("credit", stream.finish()).await.unwrap();
        let response = soon("a response", stream.recv_response()).await.unwrap();
        (response, stream)
    }

    async fn get(&mut self, path: &str) -> (Response<()>, String) {
        let request = Request::get(format!("https://localhost{path}"));
        let (response, mut stream) = self.send(request, "").await;
        (response, read_to_end_of_stream(&mut stream).await)
    }
}

/// The next piece of a response.
async fn next(stream: &mut ClientStream) -> Option<String> {
    let mut data = soon("data", stream.recv_data()).await.unwrap()?;
    let bytes = data.copy_to_bytes(data.remaining());
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

async fn read_until(stream: &mut ClientStream, text: &str) -> String {
    let mut read = String::new();
    let reading = async {
        while !(read.contains(text) && read.ends_with("\n\n")) {
            let more = next(stream).await;
            let Some(more) = more else { panic!("the end came before {text:?}: {read}") };
            read.push_str(&more);
        }
    };
    soon(text, reading).await;
    read
}

async fn read_to_end_of_stream(stream: &mut ClientStream) -> String {
    let mut read = String::new();
    while let Some(more) = next(stream).await {
        read.push_str(&more);
    }
    read
}

mod seed {
    const CERTIFICATE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/seed-http3-certificate.pem");
    const KEY: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/seed-http3-key.pem");

    include!("../seed/http3.rs");

    pub(super) fn run(certificate: &str, key: &str) -> std::io::Result<()> {
        std::fs::write(CERTIFICATE, certificate)?;
        std::fs::write(KEY, key)?;
        main()
    }
}

#[test]
fn the_seed_program_needs_one_line_more_for_http3() {
    let with_http3 = include_str!("../seed/http3.rs");
    let (added, rest): (Vec<&str>, Vec<&str>) =
        with_http3.lines().partition(|line| line.contains("with_http3"));
    assert_eq!(added.len(), 1);
    assert!(include_str!("../seed/first.rs").lines().eq(rest));
}

#[tokio::test]
async fn the_seed_program_streams_over_http3() {
    let pair = Pair::new();
    let (certificate, key) = (pair.certificate.clone(), pair.key.clone());
    let program = std::thread::spawn(move || seed::run(&certificate, &key));
    let address = "127.0.0.1:7444".parse().unwrap();
    let start = Instant::now();
    while TcpStream::connect(address).await.is_err() {
        assert!(!program.is_finished(), "the program ended; is port 7444 in use?");
        assert!(start.elapsed() < PATIENCE);
        tokio::task::yield_now().await;
    }
    let mut client = pair.connect_http3(address).await;
    let (_, mut stream) = client.send(Request::get("https://localhost/events"), "").await;
    let mut text = String::new();
    while text.matches("data: Hello, world!\n\n").count() < 2 {
        text.push_str(&next(&mut stream).await.unwrap());
    }
}

#[tokio::test]
async fn one_port_serves_tcp_and_udp_on_each_loopback_address_and_tcp_announces_it() {
    let pair = Pair::new();
    let mut app =
        App::new().bind("localhost:0").with_tls(pair.tls()).with_http3().bind_plain("127.0.0.1:0");
    app.map_get("/", async |scheme: ClientScheme, request: HttpRequest| {
        ok!("{:?} {scheme}", request.version())
    });
    let running = run(app).await;
    let (https, plain) = running.addresses.split_at(running.addresses.len() - 1);
    assert!(!https.is_empty());
    for &address in https {
        let (response, text) = pair.connect_http3(address).await.get("/").await;
        assert_eq!(text, "HTTP/3.0 https", "{address}");
        assert!(!response.headers().contains_key("alt-svc"), "the client is here already");
        let expect = format!("\r\nalt-svc: h3=\":{}\"; ma=86400\r\n", address.port());
        for line in ["GET /", "GET /nowhere"] {
            let text = pair.ask_over_tcp(address, line).await;
            assert!(text.contains(&expect), "{text}");
        }
    }
    let text = super::support::ask(plain[0], "GET /").await;
    assert!(text.ends_with("HTTP/1.1 http") && !text.contains("alt-svc"), "{text}");
    running.shutdown.shutdown();
    soon("the end", running.end).await.unwrap().unwrap();
}

#[tokio::test]
async fn routes_arguments_limits_and_errors_are_the_same() {
    #[derive(serde::Deserialize)]
    struct Tea {
        name: String,
    }
    let pair = Pair::new();
    let mut app = App::new().bind("127.0.0.1:0").with_tls(pair.tls()).with_http3().on_error(|_| {});
    app.body_limit(20);
    app.wrap(|ctx, next| async move {
        let mut response = next.run(ctx).await;
        response.headers_mut().insert("x-seen", "1".parse().unwrap());
        response
    });
    app.map_post("/teas/{id}", async |id: u32, headers: HeaderMap, Json(tea): Json<Tea>| {
        let agent = headers.get("x-agent").and_then(|value| value.to_str().ok());
        ok!("{id} {} {agent:?}", tea.name)
    });
    app.map_get("/panic", || -> String { panic!("on purpose") });
    let running = run(app).await;
    let mut client = pair.connect_http3(running.addresses[0]).await;
    for (path, body, status, text) in [
        ("/teas/7", r#"{"name":"sencha"}"#, 200, "7 sencha Some(\"test\")"),
        ("/teas/x", r#"{"name":"sencha"}"#, 400, ""),
        ("/teas/7", r#"{"name":"#, 400, ""),
        ("/teas/7", r#"{"name":"a tea with a long name"}"#, 413, ""),
        ("/nowhere", "", 404, ""),
    ] {
        let request = Request::post(format!("https://localhost{path}"))
            .header("content-type", "application/json")
            .header("x-agent", "test");
        let (response, mut stream) = client.send(request, body).await;
        assert_eq!(response.status(), status, "{path} {body}");
        assert_eq!(response.headers()["x-seen"], "1", "{path} {body}");
        let received = read_to_end_of_stream(&mut stream).await;
        assert!(text.is_empty() || received == text, "{received}");
    }
    assert_eq!(client.get("/panic").await.0.status(), 500);
    assert_eq!(client.get("/teas/7").await.0.status(), 405);
}

#[tokio::test]
async fn an_event_stream_resumes_and_ends_with_its_farewell() {
    let pair = Pair::new();
    let hub = Hub::new();
    let mut app = App::new().bind("127.0.0.1:0").with_tls(pair.tls()).with_http3();
    let read = hub.clone();
    app.map_get("/events", move |Resume(last): Resume| {
        sse!(read.subscribe("news").resume(last).open()?)
    });
    let counters = app.counters();
    let running = run(app).await;
    let mut client = pair.connect_http3(running.addresses[0]).await;
    let (response, mut stream) = client.send(Request::get("https://localhost/events"), "").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    hub.publish("news", Message::new().data("one")).unwrap();
    let text = read_until(&mut stream, "data: one\n").await;
    let id = text.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    drop(stream);
    hub.publish("news", Message::new().data("two")).unwrap();
    let request = Request::get("https://localhost/events").header("last-event-id", &id);
    let (_, mut stream) = client.send(request, "").await;
    let text = read_until(&mut stream, "data: two\n").await;
    assert!(!text.contains("data: one"), "{text}");
    hub.publish("news", Message::new().data("three")).unwrap();
    read_until(&mut stream, "data: three\n").await;

    running.shutdown.shutdown();
    let farewell = read_to_end_of_stream(&mut stream).await;
    assert!(farewell.contains("retry: "), "{farewell}");
    soon("the end", running.end).await.unwrap().unwrap();
    let closed = soon("the close", client.quic.closed()).await;
    let quinn::ConnectionError::ApplicationClosed(close) = closed else { panic!("{closed}") };
    assert_eq!(u64::from(close.error_code), 0x100, "H3_NO_ERROR");
    let now = counters.snapshot();
    assert_eq!((now.streams_open, now.connections_open), (0, 0));
}

#[tokio::test]
async fn a_client_that_leaves_a_quiet_stream_is_noticed() {
    let pair = Pair::new();
    let ends: Arc<Mutex<Vec<EndReason>>> = Arc::default();
    let told = Arc::clone(&ends);
    let mut app = App::new().bind("127.0.0.1:0").with_tls(pair.tls()).with_http3();
    app.map_get("/events", move || {
        let told = Arc::clone(&told);
        let first = futures_util::stream::iter([Message::new().data("first")]);
        let stream = first.chain(futures_util::stream::pending());
        sse!(Sse::new(stream).on_end(move |end| told.lock().unwrap().push(end.reason())))
    });
    let counters = app.counters();
    let running = run(app).await;
    let mut client = pair.connect_http3(running.addresses[0]).await;
    let (_, mut left) = client.send(Request::get("https://localhost/events"), "").await;
    read_until(&mut left, "data: first").await;
    let (_, mut stays) = client.send(Request::get("https://localhost/events"), "").await;
    read_until(&mut stays, "data: first").await;
    let told_of = async |count: usize| {
        while ends.lock().unwrap().len() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    drop(left);
    soon("the end of the stream", told_of(1)).await;
    assert_eq!(counters.snapshot().streams_open, 1);
    client.quic.close(0x100_u32.into(), b"");
    soon("the end of the connection", told_of(2)).await;
    assert_eq!(*ends.lock().unwrap(), [EndReason::ClientLeft, EndReason::ClientLeft]);
}

/// A listener that exists already may be one of systemd.
#[tokio::test]
async fn next_to_a_tcp_listener_that_exists_already_the_app_opens_udp_itself() {
    let pair = Pair::new();
    let (listener, address) = loop {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Another process may have the UDP port of this number.
        if std::net::UdpSocket::bind(address).is_ok() {
            break (listener, address);
        }
    };
    let (mut app, shutdown) = App::new().without_greeter().with_shutdown();
    app = app.with_tls(pair.tls()).with_http3();
    app.map_get("/", || ok!("hello"));
    let end = tokio::spawn(app.run_with_listener(listener));
    assert_eq!(pair.connect_http3(address).await.get("/").await.1, "hello");
    assert!(pair.ask_over_tcp(address, "GET /").await.contains("\r\nalt-svc: h3="));
    shutdown.shutdown();
    soon("the end", end).await.unwrap().unwrap();
}

#[tokio::test]
async fn http3_without_tls_is_an_error_of_the_start() {
    let app = App::new().bind("127.0.0.1:0").without_error_line().with_http3();
    let error = app.listen().await.unwrap_err();
    assert!(error.to_string().contains("with_tls"), "{error}");
    let pair = Pair::new();
    let app = App::new().bind("unix:/tmp/unused").without_error_line();
    let error = app.with_tls(pair.tls()).with_http3().listen().await.unwrap_err();
    assert!(error.to_string().contains("TCP address"), "{error}");
}

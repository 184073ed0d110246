//! WebTransport sessions with the client of `wtransport`, which is other code than the server's.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use volga_h3::{WebTransport, WebTransportEnd, WebTransportSettings};
use volga_http::Server;
use wtransport::config::{DnsLookupFuture, DnsResolver};
use wtransport::error::{ConnectingError, ConnectionError};
use wtransport::{ClientConfig, Connection, Endpoint, VarInt};

use super::session_support::{opened, serve_sessions};
use super::support::{pair, within};

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

async fn connect(
    address: SocketAddr,
    path: &str,
    origin: Option<&str>,
) -> Result<Connection, ConnectingError> {
    let config = ClientConfig::builder()
        .with_bind_address("127.0.0.1:0".parse().expect("an address"))
        .with_custom_tls(pair().client_tls())
        .dns_resolver(Address(address))
        .build();
    let endpoint = Endpoint::client(config).expect("a free port");
    let url = format!("https://localhost:{}{path}", address.port());
    let mut options = wtransport::endpoint::ConnectOptions::builder(url);
    if let Some(origin) = origin {
        options = options.add_header("origin", origin);
    }
    within(endpoint.connect(options.build())).await
}

async fn echo(session: WebTransport) {
    loop {
        tokio::select! {
            Some((mut send, mut recv)) = session.accept_bidirectional() => {
                tokio::spawn(async move {
                    while let Some(chunk) = recv.read_chunk().await.expect("no reset") {
                        send.write_all(&chunk).await.expect("the client reads it");
                    }
                    send.finish().await.expect("the client reads it");
                });
            }
            Some(mut recv) = session.accept_unidirectional() => {
                let text = recv.read_to_end(1 << 20).await.expect("it is short");
                let mut send = session.open_unidirectional().await.expect("it is open");
                send.write_all(&text).await.expect("the client reads it");
                send.finish().await.expect("the client reads it");
            }
            Some(datagram) = session.receive_datagram() => {
                session.send_datagram(datagram).expect("it fits");
            }
            else => return,
        }
    }
}

#[tokio::test]
async fn streams_and_datagrams_go_both_ways() {
    let (server, mut sessions) = serve_sessions(Server::new(), WebTransportSettings::new());
    let client = connect(server.address, "/", None).await.expect("a session");
    let session = opened(&mut sessions).await.session;
    let echo = tokio::spawn(echo(session.clone()));

    let (mut send, mut recv) =
        within(within(client.open_bi()).await.expect("open")).await.expect("a stream");
    let data: Vec<u8> = (0..1 << 20).map(|n: u32| (n % 251) as u8).collect();
    let sent = data.clone();
    tokio::spawn(async move {
        send.write_all(&sent).await.expect("it is read");
        send.finish().await.expect("it is read");
    });
    let mut received = Vec::new();
    within(recv.read_to_end(&mut received)).await.expect("no reset");
    assert!(received == data, "1 MiB comes back as it was sent");

    let mut send = within(within(client.open_uni()).await.expect("open")).await.expect("a stream");
    within(send.write_all(b"one way")).await.expect("it is read");
    within(send.finish()).await.expect("it is read");
    let mut recv = within(client.accept_uni()).await.expect("a stream");
    let mut text = String::new();
    within(recv.read_to_string(&mut text)).await.expect("no reset");
    assert_eq!(text, "one way");

    let (mut send, mut recv) = within(session.open_bidirectional()).await.expect("it is open");
    within(AsyncWriteExt::write_all(&mut send, b"from the server")).await.expect("room");
    within(send.shutdown()).await.expect("it is open");
    let (mut answer, mut question) = within(client.accept_bi()).await.expect("a stream");
    text.clear();
    within(question.read_to_string(&mut text)).await.expect("no reset");
    assert_eq!(text, "from the server");
    within(answer.write_all(b"an answer")).await.expect("it is read");
    within(answer.finish()).await.expect("it is read");
    text.clear();
    within(recv.read_to_string(&mut text)).await.expect("no reset");
    assert_eq!(text, "an answer");

    // Datagrams may get lost, but not for ever.
    let datagram = within(async {
        loop {
            client.send_datagram(b"datagram").expect("it fits");
            let wait = std::time::Duration::from_millis(100);
            if let Ok(datagram) = tokio::time::timeout(wait, client.receive_datagram()).await {
                return datagram.expect("it is open");
            }
        }
    });
    assert_eq!(&datagram.await.payload()[..], b"datagram");

    session.close((42, "done"));
    let ConnectionError::ApplicationClosed(close) = within(client.closed_by_server()).await else {
        panic!("the server has closed it")
    };
    assert_eq!((close.code(), close.reason()), (VarInt::from_u32(42), &b"done"[..]));
    within(echo).await.expect("no panic");
    let closed = WebTransportEnd::ClosedByServer((42, "done").into());
    assert_eq!(within(session.closed()).await, closed);
}

trait ClosedByServer {
    async fn closed_by_server(&self) -> ConnectionError;
}

impl ClosedByServer for Connection {
    /// This client takes a closed session for the end of the connection.
    async fn closed_by_server(&self) -> ConnectionError {
        loop {
            if let Err(error) = self.accept_uni().await {
                return error;
            }
        }
    }
}

#[tokio::test]
async fn the_function_of_a_client_that_leaves_is_dropped() {
    let (server, mut sessions) = serve_sessions(Server::new(), WebTransportSettings::new());
    let client = connect(server.address, "/", None).await.expect("a session");
    let mut opened = opened(&mut sessions).await;
    client.close(VarInt::from_u32(0), b"");
    assert_eq!(within(opened.dropped.recv()).await, None);
    assert_eq!(within(opened.session.closed()).await, WebTransportEnd::Disconnected);
    assert!(opened.session.open_unidirectional().await.is_err());
    assert_eq!(within(opened.session.receive_datagram()).await, None);
}

#[tokio::test]
async fn a_session_can_be_refused() {
    let (server, _sessions) = serve_sessions(Server::new(), WebTransportSettings::new());
    let here = format!("https://localhost:{}", server.address.port());
    for (path, origin, is_accepted) in [
        ("/", None, true),
        ("/", Some(here.as_str()), true),
        ("/", Some("https://elsewhere.example"), false),
        ("/other", None, false),
    ] {
        match connect(server.address, path, origin).await {
            Ok(_) => assert!(is_accepted, "{path} for {origin:?}"),
            Err(ConnectingError::SessionRejected) => assert!(!is_accepted, "{path} for {origin:?}"),
            Err(error) => panic!("{path} for {origin:?}: {error}"),
        }
    }
}

//! Resuming sessions: at the same process, and at another one that has the keys.

use rustls::HandshakeKind;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use tokio_rustls::TlsConnector;

use super::support::{Client, TlsServer, pair};
use crate::support::{GET, connect, read_until, send, within};

/// How the handshake of the next connection of this client goes.
async fn handshake(client: &TlsConnector, server: &TlsServer) -> HandshakeKind {
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = client.connect(name, connect(server.address).await);
    let mut stream = within(stream).await.expect("TLS");
    // The tickets of TLS 1.3 come after the handshake.
    send(&mut stream, GET).await;
    read_until(&mut stream, "!").await;
    stream.get_ref().1.handshake_kind().expect("it is over")
}

#[tokio::test]
async fn a_session_is_resumed_where_its_key_is_known() {
    use HandshakeKind::{Full, Resumed};
    let pair = pair(&["localhost"]);
    let first = TlsServer::facts(pair.tls().ticket_keys([[1; 32]])).await;
    let same = TlsServer::facts(pair.tls().ticket_keys([[1; 32]])).await;
    let rotated = TlsServer::facts(pair.tls().ticket_keys([[2; 32], [1; 32]])).await;
    let other = TlsServer::facts(pair.tls().ticket_keys([[3; 32]])).await;
    let random = [TlsServer::facts(pair.tls()).await, TlsServer::facts(pair.tls()).await];
    for version in [&TLS12, &TLS13] {
        for (one, next, expect) in [
            (&first, &first, Resumed),
            (&first, &same, Resumed),
            (&first, &rotated, Resumed),
            (&first, &other, Full),
            // The newest key encrypts, and this process does not have it.
            (&rotated, &first, Full),
            (&random[0], &random[0], Resumed),
            (&random[0], &random[1], Full),
        ] {
            let client = Client::with_versions(&[&pair], &[version]).connector();
            assert_eq!(handshake(&client, one).await, Full);
            assert_eq!(handshake(&client, next).await, expect, "{version:?}");
        }
    }
}

//! Handshakes that stall delay no others.

use std::time::Duration;

use volga_http::{ConnectionCounts, Server};

use super::support::{Client, TlsServer, facts, pair};
use crate::support::{GET, connect, read_until, send, within};

const STALLED: usize = 1_000;

/// The stalled clients never finish, so a server that waited for them would serve nobody.
#[tokio::test]
async fn with_a_thousand_stalled_handshakes_newcomers_are_served() {
    let pair = pair(&["localhost"]);
    let counts = ConnectionCounts::default();
    let hour = Duration::from_secs(3600);
    let server = Server::new().handshake_timeout(hour).drain_deadline(hour).counts(counts.clone());
    let server = TlsServer::start(server, pair.tls(), facts).await;
    let mut stalled = Vec::new();
    for number in 0..STALLED {
        let mut client = connect(server.address).await;
        // Some send nothing, and the others a part of their first message.
        send(&mut client, &b"\x16\x03\x01\x00\xff\x01\x00\x00\xfb\x03\x03"[..number % 12]).await;
        stalled.push(client);
    }
    let client = Client::trusting(&[&pair]);
    for newcomers in 1..=10 {
        let mut stream = client.connect(server.address).await.expect("TLS");
        send(&mut stream, GET).await;
        read_until(&mut stream, "!").await;
        within(async {
            while counts.open() != STALLED + 1 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(counts.accepted(), (STALLED + newcomers) as u64);
    }
    // Nor do they delay the end.
    drop(client);
    assert_eq!(server.drained().await, volga_http::DrainOutcome::Complete);
    drop(stalled);
}

/// They count like any other connection.
#[tokio::test]
async fn handshakes_count_against_the_limits_of_connections() {
    let pair = pair(&["localhost"]);
    for limited in [Server::new().max_connections(3), Server::new().max_connections_per_address(3)]
    {
        let counts = ConnectionCounts::default();
        let server = TlsServer::start(limited.counts(counts.clone()), pair.tls(), facts).await;
        let mut stalled = Vec::new();
        for _ in 0..3 {
            stalled.push(connect(server.address).await);
        }
        let client = Client::trusting(&[&pair]);
        assert!(client.connect(server.address).await.is_err(), "there are three");
        stalled.pop();
        within(async {
            while counts.open() > 2 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let mut stream = client.connect(server.address).await.expect("TLS");
        send(&mut stream, GET).await;
        read_until(&mut stream, "!").await;
        // The permit belongs to the connection, and not to the handshake.
        assert!(client.connect(server.address).await.is_err(), "there are three again");
    }
}

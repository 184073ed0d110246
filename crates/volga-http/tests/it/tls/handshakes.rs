//! Versions, ALPN, and clients that speak another protocol than was agreed on.

use std::time::Duration;

use bytes::Bytes;
use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncReadExt;
use volga_http::{ConnectionCounts, Server, Tls, TlsError};

use super::support::{Client, TlsServer, facts, get_h2, pair};
use crate::support::{EMPTY_SETTINGS, GET, PREFACE, connect, read_until, send, within};

#[tokio::test]
async fn every_version_and_protocol_is_served_and_handlers_learn_what_was_agreed_on() {
    let pair = pair(&["localhost"]);
    let server = TlsServer::facts(pair.tls()).await;
    for (version, name) in [(&TLS12, "TLSv1.2"), (&TLS13, "TLSv1.3")] {
        let client = Client::with_versions(&[&pair], &[version]);
        for offered in [&["h2", "http/1.1"][..], &["http/1.1", "h2"], &["h2"], &["http/1.1"], &[]] {
            let stream = client.clone().alpn(offered).connect(server.address).await.expect("TLS");
            let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
            // The server prefers HTTP/2, whatever the client's order is.
            let expect =
                if offered.contains(&"h2") { Some("h2") } else { offered.first().copied() };
            assert_eq!(agreed.as_deref(), expect.map(str::as_bytes), "{offered:?}");
            let alpn = expect.unwrap_or("-");
            if alpn == "h2" {
                let text = get_h2(stream).await;
                assert_eq!(text, format!("https {name} h2 localhost HTTP/2.0!"));
            } else {
                let mut stream = stream;
                send(&mut stream, GET).await;
                let text = read_until(&mut stream, "!").await;
                let expect = format!("https {name} {alpn} localhost HTTP/1.1!");
                assert!(text.ends_with(&expect), "{text}");
            }
        }
        // Without ALPN, a client that speaks HTTP/2 at once is recognised by its first bytes.
        let stream = client.connect(server.address).await.expect("TLS");
        assert_eq!(get_h2(stream).await, format!("https {name} - localhost HTTP/2.0!"));
    }
}

#[tokio::test]
async fn a_client_that_offers_other_protocols_only_is_refused() {
    let pair = pair(&["localhost"]);
    let server = TlsServer::facts(pair.tls()).await;
    let client = Client::trusting(&[&pair]).alpn(&["imap", "http/0.9"]);
    let error = client.connect(server.address).await.expect_err("no common protocol");
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
}

/// ALPN has decided, so the first bytes are not looked at. The client reads why, and a proper end.
#[tokio::test]
async fn the_preface_of_http2_on_an_http1_connection_is_a_wrong_version() {
    let pair = pair(&["localhost"]);
    let server = TlsServer::facts(pair.tls()).await;
    let client = Client::trusting(&[&pair]).alpn(&["http/1.1"]);
    let mut stream = client.connect(server.address).await.expect("TLS");
    send(&mut stream, &[PREFACE, EMPTY_SETTINGS].concat()).await;
    let mut response = String::new();
    within(stream.read_to_string(&mut response)).await.expect("a proper end");
    assert!(response.starts_with("HTTP/1.1 505 "), "{response}");
}

#[tokio::test]
async fn a_request_of_http1_on_an_http2_connection_is_closed_without_a_response() {
    let pair = pair(&["localhost"]);
    let server = TlsServer::facts(pair.tls()).await;
    let client = Client::trusting(&[&pair]).alpn(&["h2"]);
    let mut stream = client.connect(server.address).await.expect("TLS");
    send(&mut stream, GET).await;
    let mut response = Vec::new();
    within(stream.read_to_end(&mut response)).await.expect("a proper end");
    assert!(!String::from_utf8_lossy(&response).contains("HTTP/1.1"), "{response:?}");
}

#[tokio::test]
async fn bytes_that_are_not_tls_end_their_connection_and_no_other() {
    let pair = pair(&["localhost"]);
    let counts = ConnectionCounts::default();
    let server = Server::new().counts(counts.clone());
    let server = TlsServer::start(server, pair.tls(), facts).await;
    let junk = [b"\x16\x03\x01\xff\xff".to_vec(), b"\0".repeat(100), GET.to_vec(), vec![22; 9999]];
    for sent in junk {
        let mut client = connect(server.address).await;
        // The server may have closed before everything was sent.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut client, &sent).await;
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut client).await;
        let mut rest = Vec::new();
        let _ = within(client.read_to_end(&mut rest)).await;
        // At most an alert (content type 21).
        assert!(rest.is_empty() || rest[0] == 21, "{rest:?}");
    }
    let mut stream = Client::trusting(&[&pair]).connect(server.address).await.expect("TLS");
    send(&mut stream, GET).await;
    read_until(&mut stream, "!").await;
    assert_eq!(counts.open(), 1);
}

#[tokio::test]
async fn a_configuration_of_rustls_is_used_as_it_is() {
    let pair = pair(&["localhost"]);
    let key = rustls::pki_types::pem::PemObject::from_pem_slice(pair.key.as_bytes());
    let provider = rustls::crypto::ring::default_provider().into();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .expect("ring has it")
        .with_no_client_auth()
        .with_single_cert(vec![pair.der()], key.expect("a key"))
        .expect("a pair");
    let server = TlsServer::facts(Tls::config(config.clone())).await;
    let client = Client::trusting(&[&pair]).alpn(&["h2", "http/1.1"]);
    let mut stream = client.connect(server.address).await.expect("TLS");
    // It has no ALPN, so the first bytes decide.
    send(&mut stream, GET).await;
    let text = read_until(&mut stream, "!").await;
    assert!(text.ends_with("https TLSv1.3 - localhost HTTP/1.1!"), "{text}");
    let error = Tls::config(config).ticket_keys([[0; 32]]).load().expect_err("no effect");
    assert!(matches!(error, TlsError::WithoutEffect { setting: "ticket_keys", .. }), "{error}");
}

#[tokio::test]
async fn a_handshake_has_a_time_limit_wherever_the_client_stops() {
    let pair = pair(&["localhost"]);
    let server = Server::new().handshake_timeout(Duration::from_millis(100));
    let server = TlsServer::start(server, pair.tls(), facts).await;
    for sent in [&b""[..], b"\x16", b"\x16\x03\x01\x00\xff\x01\x00\x00\xfb"] {
        let mut client = connect(server.address).await;
        send(&mut client, sent).await;
        let mut rest = Bytes::new().to_vec();
        let _ = within(client.read_to_end(&mut rest)).await;
        assert_eq!(rest, b"");
    }
}

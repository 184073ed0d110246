//! The limits of sessions, and clients that break their rules.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use volga_h3::limits::{
    MAX_EARLY_WEBTRANSPORT_DATAGRAMS, MAX_EARLY_WEBTRANSPORT_STREAMS, MAX_WEBTRANSPORT_SESSIONS,
};
use volga_h3::{WebTransportDatagramError, WebTransportOffer, WebTransportSettings};
use volga_http::{RequestBody, Server, TunnelOffer};

use super::session_support::{
    RawClient, RawSession, connect, frame, opened, read_frame, serve_sessions, varint, write,
};
use super::support::{Client, TestBody, serve, within};

const REJECTED: u64 = 0x3994_bd84;

async fn stop_code(send: &quinn::SendStream) -> Option<u64> {
    within(send.stopped()).await.expect("the connection is open").map(quinn::VarInt::into_inner)
}

#[tokio::test]
async fn a_connection_has_a_limited_number_of_sessions() {
    let (server, mut sessions) = serve_sessions(Server::new(), WebTransportSettings::new());
    let client = RawClient::connect(&server).await;
    let mut open = Vec::new();
    for _ in 0..MAX_WEBTRANSPORT_SESSIONS {
        open.push((client.session().await, opened(&mut sessions).await));
    }
    assert_eq!(client.ask().await.status().await, "429");
    let (mut session, at_server) = open.remove(3);
    at_server.session.close(());
    session.close().await;
    client.session().await;
}

#[tokio::test]
async fn a_session_has_a_limited_number_of_streams() {
    let settings = WebTransportSettings::new().max_streams(3);
    let (server, mut sessions) = serve_sessions(Server::new(), settings);
    let client = RawClient::connect(&server).await;
    let session = client.session().await;
    let at_server = opened(&mut sessions).await.session;
    let first = client.open_bi(session.id).await;
    let second = client.open_uni(session.id).await;
    let accepted = within(at_server.accept_bidirectional()).await.expect("it is open");
    within(at_server.accept_unidirectional()).await.expect("it is open");
    // The second stream is free again: the application has dropped it.
    let third = client.open_uni(session.id).await;
    let place = within(at_server.accept_unidirectional()).await.expect("it is open");
    let fourth = client.open_bi(session.id).await;
    let waiting = within(at_server.accept_bidirectional()).await.expect("it is open");
    let over = client.open_uni(session.id).await;
    assert_eq!(stop_code(&over).await, Some(REJECTED));
    let (over, mut recv) = client.open_bi(session.id).await;
    assert_eq!(stop_code(&over).await, Some(REJECTED));
    assert!(within(recv.read_to_end(9)).await.is_err());
    drop(waiting);
    client.open_uni(session.id).await;
    within(at_server.accept_unidirectional()).await.expect("it is open");
    drop((first, second, third, fourth, accepted, place));
}

#[tokio::test]
async fn few_streams_wait_for_a_session_and_not_for_ever() {
    let server = Server::new().header_read_timeout(Duration::from_millis(500));
    let (server, mut sessions) = serve_sessions(server, WebTransportSettings::new());
    let client = RawClient::connect(&server).await;
    // With a session, the connection is not idle.
    let alive = (client.session().await, opened(&mut sessions).await);
    // Its request comes late.
    let (send, recv) = client.open().await;
    let id = u64::from(send.id());
    let mut streams = Vec::new();
    for _ in 0..=MAX_EARLY_WEBTRANSPORT_STREAMS {
        streams.push(client.open_uni(id).await);
    }
    // Whichever came last is rejected at once, and the others when their time is over.
    for stream in &streams {
        assert_eq!(stop_code(stream).await, Some(REJECTED));
    }
    // A stream that never names its session does not stay either.
    let mut stream = within(client.quic.open_uni()).await.expect("a stream");
    write(&mut stream, &varint(0x54)).await;
    assert_eq!(stop_code(&stream).await, Some(REJECTED));
    drop((send, recv));
    let session = client.session().await;
    let at_server = opened(&mut sessions).await.session;
    client.open_uni(session.id).await;
    within(at_server.accept_unidirectional()).await.expect("it is open");
    drop(alive);
}

#[tokio::test]
async fn the_newest_datagrams_wait_for_their_session_and_for_the_application() {
    // A datagram of 936 bytes counts as 1,000.
    const SIZE: usize = 936;
    let settings = WebTransportSettings::new().max_datagram_bytes(10_000);
    let (server, mut sessions) = serve_sessions(Server::new(), settings);
    let client = RawClient::connect(&server).await;
    let probe = client.session().await;
    let probe_at_server = opened(&mut sessions).await.session;
    let (mut send, recv) = client.open().await;
    let id = u64::from(send.id());
    let count = MAX_EARLY_WEBTRANSPORT_DATAGRAMS / 1_000 + 20;
    for number in 0..count {
        client.send_datagram(id, &[number as u8; SIZE]);
        // Not faster than the sockets take them. The server reads datagrams in their order.
        if number % 10 == 0 || number == count - 1 {
            client.send_datagram(probe.id, b"probe");
            within(probe_at_server.receive_datagram()).await.expect("it is open");
        }
    }
    write(&mut send, &connect("/")).await;
    let mut session = RawSession { id, send, recv };
    assert_eq!(session.status().await, "200");
    let at_server = opened(&mut sessions).await.session;
    let mut received = Vec::new();
    for _ in 0..10 {
        let datagram = within(at_server.receive_datagram()).await.expect("it is open");
        assert_eq!(datagram.len(), SIZE);
        received.push(datagram[0]);
    }
    // Of those that have waited for the session, those over the session's own limit are dropped.
    assert_eq!(received.last(), Some(&(count as u8 - 1)));
    assert_eq!(
        at_server.dropped_datagrams() as usize,
        MAX_EARLY_WEBTRANSPORT_DATAGRAMS / 1_000 - 10
    );
}

#[tokio::test]
async fn a_datagram_that_does_not_fit_is_an_error() {
    let (server, mut sessions) = serve_sessions(Server::new(), WebTransportSettings::new());
    let client = RawClient::connect(&server).await;
    let mut session = client.session().await;
    let at_server = opened(&mut sessions).await.session;
    let max = at_server.max_datagram_size();
    assert!(max > 1_000);
    at_server.send_datagram(vec![1; max]).expect("it fits");
    let error = at_server.send_datagram(vec![1; 70_000]).expect_err("it does not fit");
    assert!(matches!(error, WebTransportDatagramError::TooLarge { size: 70_000, .. }), "{error}");
    at_server.close(());
    session.close().await;
    let error = at_server.send_datagram("late").expect_err("it has ended");
    assert!(matches!(error, WebTransportDatagramError::Ended(_)), "{error}");
}

#[tokio::test]
async fn what_no_session_can_have_ends_the_connection() {
    let (server, _sessions) = serve_sessions(Server::new(), WebTransportSettings::new());
    for id in [1, 2, 3, 7] {
        let client = RawClient::connect(&server).await;
        let _streams = client.open_bi(id).await;
        assert_eq!(client.close_code().await, 0x108, "the stream of session {id}");
        let client = RawClient::connect(&server).await;
        let _stream = client.open_uni(id).await;
        assert_eq!(client.close_code().await, 0x108, "the stream of session {id}");
    }
    for datagram in [vec![], vec![0xc0], varint(1 << 61)] {
        let client = RawClient::connect(&server).await;
        // The server has the connection when it has responded.
        client.session().await;
        client.quic.send_datagram(datagram.into()).expect("the server takes datagrams");
        assert_eq!(client.close_code().await, 0x33);
    }
    // The beginning of a stream of a session must be the first thing on its stream.
    let client = RawClient::connect(&server).await;
    let (mut send, _recv) = client.open().await;
    write(&mut send, &[frame(0x21, b""), varint(0x41), varint(0)].concat()).await;
    assert_eq!(client.close_code().await, 0x106);
}

#[tokio::test]
async fn without_webtransport_the_service_refuses_a_session_and_its_streams_have_no_meaning() {
    let server = serve(async |request: Request<RequestBody>| {
        let extensions = request.extensions();
        assert!(extensions.get::<WebTransportOffer>().is_none());
        let mut response = Response::new(TestBody::full("hello"));
        if let Some(offer) = extensions.get::<TunnelOffer>() {
            assert!(offer.has("webtransport"));
            *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
        }
        response
    });
    let client = RawClient::connect(&server).await;
    assert_eq!(client.ask().await.status().await, "501");
    let stream = client.open_uni(0).await;
    assert_eq!(stop_code(&stream).await, Some(0x103));
    assert_eq!(client.quic.max_datagram_size(), None);
    assert_eq!(Client::connect(server.address).await.get("/").await.1, "hello");
    let mut control = within(client.quic.accept_uni()).await.expect("a stream");
    let _kind = super::session_support::read_number(&mut control).await;
    let (_, settings) = read_frame(&mut control).await;
    assert!(!settings.windows(4).any(|part| part == [0xab, 0x60, 0x37, 0x42]), "{settings:x?}");
}

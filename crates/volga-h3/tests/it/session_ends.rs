//! How sessions and their streams end.

use std::time::Duration;

use http::Request;
use volga_h3::{
    WebTransport, WebTransportCloseInfo, WebTransportEnd, WebTransportOffer, WebTransportSettings,
    WebTransportStreamError as StreamError,
};
use volga_http::{DrainOutcome, RequestBody, Server};

use super::session_support::{
    CLOSE, DRAIN, RawClient, close_capsule, connect, frame, opened, read_all, read_number,
    serve_sessions, write,
};
use super::support::{Running, TestBody, pair, serve_full, tls, within};

const FIRST_CODE: u64 = 0x52e4_a40f_a8db;
const SESSION_GONE: u64 = 0x170d_7b68;

fn number(code: u64) -> quinn::VarInt {
    quinn::VarInt::from_u64(code).expect("62 bits")
}

#[tokio::test]
async fn a_close_of_the_client_comes_with_its_code_and_its_text_however_it_is_cut() {
    let (server, mut sessions) = serve_sessions(Server::new(), WebTransportSettings::new());
    let client = RawClient::connect(&server).await;
    // Unknown capsules and trailing unknown frames have no meaning.
    let capsules = [frame(0x17, &[7; 100]), close_capsule(42, "done €".as_bytes())].concat();
    for size in [1, 2, 3, 5, 8, 13, 100, 110, capsules.len()] {
        let mut session = client.session().await;
        let mut at_server = opened(&mut sessions).await;
        for part in capsules.chunks(size) {
            write(&mut session.send, &frame(0x00, part)).await;
            write(&mut session.send, &frame(0x21, b"x")).await;
        }
        session.send.finish().expect("it is open");
        let end = WebTransportEnd::ClosedByClient((42, "done €").into());
        assert_eq!(within(at_server.session.closed()).await, end, "parts of {size}");
        assert_eq!(within(at_server.dropped.recv()).await, None);
        assert_eq!(within(session.recv.read_to_end(9)).await.expect("a proper end"), b"");
    }
}

#[tokio::test]
async fn each_end_of_the_stream_of_a_session_is_told_to_the_application() {
    let (server, mut sessions) = serve_sessions(Server::new(), WebTransportSettings::new());
    let client = RawClient::connect(&server).await;

    let mut session = client.session().await;
    let at_server = opened(&mut sessions).await.session;
    session.send.finish().expect("it is open");
    let end = within(at_server.closed()).await;
    assert_eq!(end, WebTransportEnd::ClosedByClient(().into()), "the end of the stream");

    let mut session = client.session().await;
    let mut at_server = opened(&mut sessions).await;
    session.send.reset(number(0x10c)).expect("it is open");
    assert_eq!(within(at_server.dropped.recv()).await, None);
    assert_eq!(at_server.session.end(), Some(WebTransportEnd::Disconnected), "a reset");

    let mut session = client.session().await;
    let at_server = opened(&mut sessions).await.session;
    session.recv.stop(number(0x10c)).expect("it is open");
    assert_eq!(within(at_server.closed()).await, WebTransportEnd::Disconnected, "a stop");

    let long = [b'x'; 1025];
    for (name, capsule) in [
        ("a close without a code", frame(CLOSE, b"123")),
        ("a text that is too long", close_capsule(0, &long)),
        ("a text that is not UTF-8", close_capsule(0, b"\xff")),
        ("a drain with content", frame(DRAIN, b"x")),
        ("half a capsule", frame(0x17, b"1234")[..3].to_vec()),
    ] {
        let mut session = client.session().await;
        let at_server = opened(&mut sessions).await.session;
        write(&mut session.send, &frame(0x00, &capsule)).await;
        // The server may have stopped the stream already.
        let _ = session.send.finish();
        assert_eq!(within(at_server.closed()).await, WebTransportEnd::Refused, "{name}");
        match within(session.recv.read_to_end(9)).await {
            Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(code))) => {
                assert_eq!(code.into_inner(), 0x10e, "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    client.session().await;
}

#[tokio::test]
async fn the_text_of_a_close_is_cut_at_its_limit() {
    let (server, mut sessions) = serve_sessions(Server::new(), WebTransportSettings::new());
    let client = RawClient::connect(&server).await;
    let mut session = client.session().await;
    let at_server = opened(&mut sessions).await.session;
    at_server.close((u32::MAX, "x".repeat(5_000)));
    assert_eq!(session.close().await, (u32::MAX, "x".repeat(1_024)));
}

#[tokio::test]
async fn codes_of_resets_and_stops_are_those_of_the_applications() {
    let (server, mut sessions) = serve_sessions(Server::new(), WebTransportSettings::new());
    let client = RawClient::connect(&server).await;
    let session = client.session().await;
    let at_server = opened(&mut sessions).await.session;
    for code in [0_u32, 1, 29, 30, 31, 255, u32::MAX] {
        let http3 = FIRST_CODE + u64::from(code) + u64::from(code) / 30;
        // From the client to the server.
        let (mut send, mut recv) = client.open_bi(session.id).await;
        write(&mut send, b"x").await;
        let (mut to_client, mut from_client) =
            within(at_server.accept_bidirectional()).await.expect("it is open");
        assert_eq!(within(from_client.read_chunk()).await, Ok(Some("x".into())));
        recv.stop(number(http3)).expect("it is open");
        assert_eq!(within(to_client.stopped()).await, Some(code));
        let written = within(to_client.write_all(b"x")).await;
        assert_eq!(written, Err(StreamError::Stopped(Some(code))));
        send.reset(number(http3)).expect("it is open");
        let read = within(from_client.read_chunk()).await;
        assert_eq!(read, Err(StreamError::Reset(Some(code))));

        // From the server to the client.
        let (send, mut recv) = client.open_bi(session.id).await;
        let (mut to_client, mut from_client) =
            within(at_server.accept_bidirectional()).await.expect("it is open");
        to_client.reset(code);
        from_client.stop(code);
        assert_eq!(within(send.stopped()).await, Ok(Some(number(http3))));
        match within(recv.read_to_end(9)).await {
            Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(code))) => {
                assert_eq!(code.into_inner(), http3);
            }
            other => panic!("{other:?}"),
        }
        drop((send, to_client, from_client));
    }
    // A code of HTTP/3 is not a code of an application.
    let (mut send, _recv) = client.open_bi(session.id).await;
    let (_, mut from_client) = within(at_server.accept_bidirectional()).await.expect("open");
    send.reset(number(0x10c)).expect("it is open");
    assert_eq!(within(from_client.read_chunk()).await, Err(StreamError::Reset(None)));
}

#[tokio::test]
async fn a_stream_that_is_dropped_is_reset_and_never_looks_complete() {
    let (server, mut sessions) = serve_sessions(Server::new(), WebTransportSettings::new());
    let client = RawClient::connect(&server).await;
    let _session = client.session().await;
    let at_server = opened(&mut sessions).await.session;
    let (mut to_client, from_client) =
        within(at_server.open_bidirectional()).await.expect("it is open");
    within(to_client.write_all(b"a part")).await.expect("room");
    let (send, mut recv) = within(client.quic.accept_bi()).await.expect("a stream");
    assert_eq!(read_number(&mut recv).await, 0x41);
    drop((to_client, from_client));
    match within(recv.read_to_end(100)).await {
        Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(code))) => {
            assert_eq!(code.into_inner(), FIRST_CODE);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(within(send.stopped()).await, Ok(Some(number(FIRST_CODE))));
}

#[tokio::test]
async fn the_streams_of_a_session_end_with_it() {
    let (server, mut sessions) = serve_sessions(Server::new(), WebTransportSettings::new());
    let client = RawClient::connect(&server).await;
    let mut session = client.session().await;
    let at_server = opened(&mut sessions).await.session;
    let (mut send, mut recv) = client.open_bi(session.id).await;
    write(&mut send, b"x").await;
    let (mut to_client, mut from_client) =
        within(at_server.accept_bidirectional()).await.expect("it is open");
    within(from_client.read_chunk()).await.expect("no reset");
    let reading = tokio::spawn(async move { from_client.read_chunk().await });
    let accepting = at_server.clone();
    let accepting = tokio::spawn(async move { accepting.accept_unidirectional().await.is_none() });
    write(&mut session.send, &frame(0x00, &close_capsule(1, b""))).await;
    session.send.finish().expect("it is open");
    let read = within(reading).await.expect("no panic");
    assert_eq!(read, Err(StreamError::SessionEnded));
    assert!(within(accepting).await.expect("no panic"));
    assert_eq!(within(to_client.write_all(b"x")).await, Err(StreamError::SessionEnded));
    assert_eq!(within(send.stopped()).await, Ok(Some(number(SESSION_GONE))));
    match within(recv.read_to_end(100)).await {
        Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(code))) => {
            assert_eq!(code.into_inner(), SESSION_GONE);
        }
        other => panic!("{other:?}"),
    }
    // A stream that comes late is rejected.
    let (send, _recv) = client.open_bi(session.id).await;
    assert_eq!(within(send.stopped()).await, Ok(Some(number(SESSION_GONE))));
    let send = client.open_uni(session.id).await;
    assert_eq!(within(send.stopped()).await, Ok(Some(number(SESSION_GONE))));
}

#[tokio::test]
async fn a_drain_is_told_to_both_sides_and_ends_when_the_sessions_end() {
    let (server, mut sessions) = serve_sessions(Server::new(), WebTransportSettings::new());
    let client = RawClient::connect(&server).await;
    let mut session = client.session().await;
    let at_server = opened(&mut sessions).await.session;
    server.drain.start();
    assert_eq!(session.capsule().await, (DRAIN, Vec::new()));
    within(at_server.draining()).await;
    // New streams of a session are accepted until its end, and no new sessions.
    within(async {
        loop {
            let (mut send, mut recv) = client.open_bi(session.id).await;
            write(&mut send, b"x").await;
            within(at_server.accept_bidirectional()).await.expect("it is open");
            let _ = recv.stop(number(0));
            let (mut send, mut recv) = client.open().await;
            write(&mut send, &connect("/elsewhere")).await;
            match recv.read_to_end(1_000).await {
                // The server does not know yet that the client knows.
                Ok(_) => {}
                Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(code))) => {
                    assert_eq!(code.into_inner(), 0x10b, "H3_REQUEST_REJECTED");
                    return;
                }
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await;
    let (mut send, _recv) = client.open_bi(session.id).await;
    write(&mut send, b"x").await;
    within(at_server.accept_bidirectional()).await.expect("it is open");
    at_server.close((1, "as asked"));
    assert_eq!(session.close().await, (1, "as asked".to_owned()));
    let outcome = within(server.end).await.expect("no panic").expect("no error");
    assert_eq!(outcome, DrainOutcome::Complete);
    assert_eq!(client.close_code().await, 0x100);
}

#[tokio::test]
async fn a_session_that_lasts_is_closed_shortly_before_the_deadline_of_a_drain() {
    let server = Server::new().drain_deadline(Duration::from_secs(8));
    let (server, mut sessions) = serve_sessions(server, WebTransportSettings::new());
    let client = RawClient::connect(&server).await;
    let mut session = client.session().await;
    let at_server = opened(&mut sessions).await.session;
    server.drain.start();
    assert_eq!(session.capsule().await, (DRAIN, Vec::new()));
    assert_eq!(session.close().await, (0, "the server shuts down".to_owned()));
    let end = WebTransportEnd::ClosedByServer((0, "the server shuts down").into());
    assert_eq!(within(at_server.closed()).await, end);
    assert!(within(server.end).await.expect("no panic").is_ok());
}

/// A server whose sessions run this function.
fn serve_function<F, Fut>(function: F) -> Running
where
    F: Fn(WebTransport) -> Fut + Clone + Send + 'static,
    Fut: Future<Output: Into<WebTransportCloseInfo>> + Send + 'static,
{
    serve_full(Server::new(), &tls(pair()), true, move |request: Request<RequestBody>| {
        let offer = request.extensions().get::<WebTransportOffer>().expect("a session");
        let response = offer.accept(&WebTransportSettings::new(), function.clone());
        async { response.map(|()| TestBody::full("")) }
    })
}

#[tokio::test]
async fn what_was_finished_arrives_before_the_end_of_the_function() {
    let server = serve_function(|session: WebTransport| async move {
        let mut stream = session.open_unidirectional().await.expect("it is open");
        stream.write_all(&[7; 300_000]).await.expect("the client reads it");
        stream.finish().await.expect("the client reads it");
        (3, "that was all")
    });
    let client = RawClient::connect(&server).await;
    let mut session = client.session().await;
    loop {
        let mut stream = within(client.quic.accept_uni()).await.expect("a stream");
        if read_number(&mut stream).await != 0x54 {
            // The control stream, which must stay open.
            tokio::spawn(async move { stream.read_to_end(1_000).await });
            continue;
        }
        assert_eq!(read_number(&mut stream).await, session.id);
        assert!(read_all(&mut stream).await == vec![7; 300_000]);
        break;
    }
    assert_eq!(session.close().await, (3, "that was all".to_owned()));
}

#[tokio::test]
async fn a_panic_of_the_function_closes_its_session_and_no_other() {
    let server = serve_function(|session: WebTransport| async move {
        let datagram = session.receive_datagram().await;
        assert_eq!(datagram, None, "on purpose");
    });
    let client = RawClient::connect(&server).await;
    let mut first = client.session().await;
    let mut second = client.session().await;
    client.send_datagram(first.id, b"panic");
    assert_eq!(first.close().await, (0x102, "the server has failed".to_owned()));
    write(&mut second.send, &frame(0x00, &close_capsule(1, b""))).await;
    assert_eq!(within(second.recv.read_to_end(9)).await.expect("a proper end"), b"");
}

#[tokio::test]
async fn a_drain_of_the_client_is_told_to_the_application() {
    let (server, mut sessions) = serve_sessions(Server::new(), WebTransportSettings::new());
    let client = RawClient::connect(&server).await;
    let mut session = client.session().await;
    let at_server = opened(&mut sessions).await.session;
    write(&mut session.send, &frame(0x00, &frame(DRAIN, b""))).await;
    within(at_server.draining()).await;
    assert_eq!(at_server.end(), None);
}

//! Sessions beside other requests of a connection, in every order. The client writes its own
//! frames.

use bytes::Bytes;
use volga_h3::WebTransportSettings;
use volga_http::Server;

use super::session_support::{
    RawClient, RawSession, bidirectional, connect, frame, opened, read_all, read_frame,
    read_number, serve_sessions, unidirectional, write,
};
use super::support::within;

/// The head of `GET https://localhost/`.
fn get() -> Vec<u8> {
    let section = [&[0, 0, 0xc0 | 17, 0xc0 | 23, 0xc0 | 1, 0x50, 9][..], b"localhost"].concat();
    frame(0x01, &section)
}

async fn ask(client: &RawClient) {
    let (mut send, mut recv) = client.open().await;
    write(&mut send, &get()).await;
    send.finish().expect("it is open");
    assert_eq!(read_frame(&mut recv).await.0, 0x01);
    assert_eq!(read_frame(&mut recv).await, (0x00, b"hello".to_vec()));
}

/// Sends one thing of each kind in both directions.
async fn exchange(client: &RawClient, session: &RawSession, server: &volga_h3::WebTransport) {
    let (mut send, mut recv) = client.open_bi(session.id).await;
    write(&mut send, b"both ways").await;
    send.finish().expect("it is open");
    let (mut to_client, mut from_client) =
        within(server.accept_bidirectional()).await.expect("it is open");
    let text = within(from_client.read_to_end(100)).await.expect("no reset");
    within(to_client.write_all(&text)).await.expect("room");
    within(to_client.finish()).await.expect("it arrives");
    assert_eq!(read_all(&mut recv).await, &b"both ways"[..]);

    let mut send = client.open_uni(session.id).await;
    write(&mut send, b"one way").await;
    send.finish().expect("it is open");
    let mut from_client = within(server.accept_unidirectional()).await.expect("it is open");
    assert_eq!(within(from_client.read_to_end(100)).await.expect("no reset"), b"one way");

    let (mut to_client, _from_client) =
        within(server.open_bidirectional()).await.expect("it is open");
    within(to_client.write_all(b"from the server")).await.expect("room");
    let finishing = tokio::spawn(async move { to_client.finish().await });
    let (_send, mut recv) = within(client.quic.accept_bi()).await.expect("a stream");
    assert_eq!(read_number(&mut recv).await, 0x41);
    assert_eq!(read_number(&mut recv).await, session.id);
    assert_eq!(read_all(&mut recv).await, &b"from the server"[..]);
    within(finishing).await.expect("no panic").expect("it arrives");

    client.send_datagram(session.id, b"to the server");
    // Loopback loses none of so few.
    assert_eq!(within(server.receive_datagram()).await.expect("it is open"), "to the server");
    server.send_datagram("to the client").expect("it fits");
    let datagram = within(client.quic.read_datagram()).await.expect("a datagram");
    let (quarter, length) = super::session_support::read_varint(&datagram);
    assert_eq!((quarter * 4, &datagram[length..]), (session.id, &b"to the client"[..]));
}

#[tokio::test]
async fn sessions_run_beside_requests_at_the_same_time_and_one_after_the_other() {
    let (server, mut sessions) = serve_sessions(Server::new(), WebTransportSettings::new());
    let client = RawClient::connect(&server).await;
    skip_server_streams(&client).await;
    ask(&client).await;
    let mut open = Vec::new();
    for count in 0..3_u64 {
        let session = client.session().await;
        assert_eq!(session.id, 4 + count * 8, "requests are between them");
        let at_server = opened(&mut sessions).await;
        open.push((session, at_server));
        ask(&client).await;
    }
    for (session, at_server) in open.iter().rev() {
        exchange(&client, session, &at_server.session).await;
    }
    // The end of one session leaves the others.
    let (mut first, at_server) = open.remove(0);
    at_server.session.close((7, "bye"));
    assert_eq!(first.close().await, (7, "bye".to_owned()));
    for (session, at_server) in &open {
        assert_eq!(at_server.session.end(), None);
        exchange(&client, session, &at_server.session).await;
    }
    drop(open);
    // One after the other.
    for _ in 0..3 {
        let mut session = client.session().await;
        let at_server = opened(&mut sessions).await;
        exchange(&client, &session, &at_server.session).await;
        at_server.session.close(());
        assert_eq!(session.close().await, (0, String::new()));
        ask(&client).await;
    }
}

/// The server opens its control stream.
async fn skip_server_streams(client: &RawClient) {
    let mut control = within(client.quic.accept_uni()).await.expect("a stream");
    assert_eq!(read_number(&mut control).await, 0x00);
    let (kind, settings) = read_frame(&mut control).await;
    assert_eq!(kind, 0x04, "SETTINGS");
    let mut rest = &settings[..];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (setting, first) = super::session_support::read_varint(rest);
        let (value, second) = super::session_support::read_varint(&rest[first..]);
        rest = &rest[first + second..];
        found.push((setting, value));
    }
    for setting in [0x08, 0x33, 0xffd277, 0x2b60_3742, 0x14e9_cd29, 0x2c7c_f000] {
        assert!(found.contains(&(setting, 1)), "{setting:#x} in {found:x?}");
    }
    tokio::spawn(async move {
        // It stays open.
        let _ = control.read_to_end(1_000).await;
    });
}

/// The frames that a client sends before the response, in each order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Connect,
    Bidirectional,
    Unidirectional,
    Datagram,
}

#[tokio::test]
async fn streams_and_datagrams_that_come_before_their_session_wait_for_it() {
    let (server, mut sessions) = serve_sessions(Server::new(), WebTransportSettings::new());
    let parts = [Part::Connect, Part::Bidirectional, Part::Unidirectional, Part::Datagram];
    for order in orders(&parts) {
        let client = RawClient::connect(&server).await;
        let (mut send, recv) = client.open().await;
        let id = u64::from(send.id());
        let mut open = Vec::new();
        for part in &order {
            match part {
                Part::Connect => write(&mut send, &connect("/")).await,
                Part::Bidirectional => {
                    let (mut send, recv) = client.open_bi(id).await;
                    write(&mut send, b"bi").await;
                    send.finish().expect("it is open");
                    open.push(Some(recv));
                }
                Part::Unidirectional => {
                    let mut send = client.open_uni(id).await;
                    write(&mut send, b"uni").await;
                    send.finish().expect("it is open");
                }
                Part::Datagram => client.send_datagram(id, b"datagram"),
            }
            // Each part is a packet of its own, and the server has it before the next one.
            arrived(&client).await;
        }
        let mut session = RawSession { id, send, recv };
        assert_eq!(session.status().await, "200", "{order:?}");
        let at_server = opened(&mut sessions).await.session;
        let bi = within(at_server.accept_bidirectional()).await.expect("it is open");
        let (_to_client, mut from_client) = bi;
        assert_eq!(within(from_client.read_to_end(9)).await.expect("no reset"), b"bi");
        let mut uni = within(at_server.accept_unidirectional()).await.expect("it is open");
        assert_eq!(within(uni.read_to_end(9)).await.expect("no reset"), b"uni");
        let datagram = within(at_server.receive_datagram()).await;
        assert_eq!(datagram, Some(Bytes::from_static(b"datagram")), "{order:?}");
    }
}

/// Waits until the server has acknowledged what was sent so far.
pub(crate) async fn arrived(client: &RawClient) {
    let mut probe = within(client.quic.open_uni()).await.expect("a stream");
    // A type that nobody knows: the server stops the stream.
    let _ = within(probe.write_all(&[0x21])).await;
    let _ = within(probe.stopped()).await;
}

fn orders(parts: &[Part]) -> Vec<Vec<Part>> {
    let Some((&first, rest)) = parts.split_first() else { return vec![Vec::new()] };
    let with_first = |order: Vec<Part>| {
        (0..=order.len()).map(move |at| [&order[..at], &[first], &order[at..]].concat())
    };
    orders(rest).into_iter().flat_map(with_first).collect()
}

#[tokio::test]
async fn the_beginning_of_a_stream_may_be_cut_at_any_byte() {
    let (server, mut sessions) = serve_sessions(Server::new(), WebTransportSettings::new());
    let client = RawClient::connect(&server).await;
    let request = connect("/");
    for cut in (0..request.len()).step_by(7) {
        let (mut send, recv) = client.open().await;
        write_cut(&client, &mut send, &request, cut).await;
        let mut session = RawSession { id: send.id().into(), send, recv };
        assert_eq!(session.status().await, "200", "cut at {cut}");
        let at_server = opened(&mut sessions).await.session;
        let bi = [&bidirectional(session.id)[..], b"text"].concat();
        for cut in 0..bi.len() {
            let (mut send, _recv) = client.open().await;
            write_cut(&client, &mut send, &bi, cut).await;
            send.finish().expect("it is open");
            let (_, mut recv) = within(at_server.accept_bidirectional()).await.expect("open");
            assert_eq!(within(recv.read_to_end(9)).await.expect("no reset"), b"text");
        }
        let uni = [&unidirectional(session.id)[..], b"text"].concat();
        for cut in 0..uni.len() {
            let mut send = within(client.quic.open_uni()).await.expect("a stream");
            write_cut(&client, &mut send, &uni, cut).await;
            send.finish().expect("it is open");
            let mut recv = within(at_server.accept_unidirectional()).await.expect("open");
            assert_eq!(within(recv.read_to_end(9)).await.expect("no reset"), b"text");
        }
        at_server.close(());
    }
}

/// Writes bytes in two packets.
async fn write_cut(client: &RawClient, send: &mut quinn::SendStream, bytes: &[u8], cut: usize) {
    write(send, &bytes[..cut]).await;
    arrived(client).await;
    write(send, &bytes[cut..]).await;
}

//! Clients that make work: floods of handshakes and of abandoned requests.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Response;
use quinn::ConnectionError;
use tokio::net::UdpSocket;
use volga_h3::limits::QUIC_HANDSHAKES_BEFORE_RETRY;
use volga_http::Server;

use super::support::{
    Client, TestBody, connect_quic, endpoint, pair, serve, serve_with, tls, within,
};

/// The first packets of clients. All of them are valid, and different.
struct FirstPackets {
    packets: Vec<Vec<u8>>,
    /// A client that gives up says so in another packet.
    _clients: Vec<quinn::Connecting>,
    _endpoint: quinn::Endpoint,
}

async fn first_packets(count: usize) -> FirstPackets {
    let nobody = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let address = nobody.local_addr().expect("bound");
    let endpoint = endpoint();
    let (mut packets, mut clients) = (Vec::new(), Vec::new());
    let mut buffer = [0; 2048];
    // The ID that the client has chosen for the connection (RFC 9000, section 17.2).
    let id = |packet: &[u8]| packet[6..6 + usize::from(packet[5])].to_vec();
    let mut ids = HashSet::new();
    for _ in 0..count {
        let connecting = endpoint.connect_with(pair().client(), address, "localhost");
        clients.push(connecting.expect("a valid configuration"));
        let packet = loop {
            let length = within(nobody.recv(&mut buffer)).await.expect("a packet");
            // An earlier client may send its packet again.
            if ids.insert(id(&buffer[..length])) {
                break buffer[..length].to_vec();
            }
        };
        packets.push(packet);
    }
    FirstPackets { packets, _clients: clients, _endpoint: endpoint }
}

/// Whether this is a Retry packet of QUIC 1 (RFC 9000, section 17.2.5).
fn is_retry(packet: &[u8]) -> bool {
    packet[0] & 0xf0 == 0xf0
}

#[tokio::test]
async fn a_flood_of_first_packets_takes_no_place_from_an_honest_client() {
    const FLOOD: usize = 4 * QUIC_HANDSHAKES_BEFORE_RETRY;
    let server = serve(async |_| Response::new(TestBody::full("served")));
    let first = first_packets(FLOOD).await;
    let flood = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let mut client = Client::connect(server.address).await;
    let (mut served, mut retries) = (0, 0);
    let mut buffer = [0; 2048];
    for packet in &first.packets {
        flood.send_to(packet, server.address).await.expect("it is sent");
        served += usize::from(client.get("/").await.1 == "served");
        while let Ok(length) = flood.try_recv(&mut buffer) {
            retries += usize::from(is_retry(&buffer[..length]));
        }
    }
    assert_eq!(served, FLOOD);
    // A newcomer shows that its address is its own, which a forged one cannot.
    let mut newcomer = Client::connect(server.address).await;
    assert_eq!(newcomer.get("/").await.1, "served");
    // Most of the flood has got a Retry packet.
    while retries == 0 {
        let length = within(flood.recv(&mut buffer)).await.expect("a packet");
        retries += usize::from(is_retry(&buffer[..length]));
    }
    let open = server.counts.open();
    assert!(open <= QUIC_HANDSHAKES_BEFORE_RETRY + 2, "{open} connections are open");
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_given_up() {
    let server = Server::new().handshake_timeout(Duration::from_millis(50));
    let server = serve_with(server, &tls(pair()), async |_| Response::new(TestBody::full("")));
    let flood = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    for packet in &first_packets(3).await.packets {
        flood.send_to(packet, server.address).await.expect("it is sent");
    }
    within(async {
        while server.counts.accepted() < 3 || server.counts.open() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_refused() {
    for (server, refused_by_total) in
        [(Server::new().max_connections(2), 1), (Server::new().max_connections_per_address(2), 0)]
    {
        let server =
            serve_with(server, &tls(pair()), async |_| Response::new(TestBody::full("served")));
        let mut clients =
            [Client::connect(server.address).await, Client::connect(server.address).await];
        let third = endpoint().connect_with(pair().client(), server.address, "localhost");
        assert!(within(third.expect("valid")).await.is_err());
        assert_eq!(server.counts.refused_by_total(), refused_by_total);
        assert_eq!(server.counts.refused_by_address(), 1 - refused_by_total);
        for client in &mut clients {
            assert_eq!(client.get("/").await.1, "served");
        }
    }
}

#[tokio::test]
async fn a_client_that_abandons_its_requests_loses_its_connection_and_others_do_not() {
    let called = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&called);
    let server = serve(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Response::new(TestBody::full("served")) }
    });
    let mut bystander = Client::connect(server.address).await;
    let connection = connect_quic(server.address, pair()).await;
    within(async {
        // Each of these streams is opened, and given up before its head is complete.
        while let Ok((mut send, _recv)) = connection.open_bi().await {
            if send.write_all(&[0x01]).await.is_err() || send.reset(0x10c_u32.into()).is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let ConnectionError::ApplicationClosed(close) = within(connection.closed()).await else {
        panic!("the server closes the connection")
    };
    assert_eq!(u64::from(close.error_code), 0x107, "H3_EXCESSIVE_LOAD");
    assert_eq!(called.load(Ordering::Relaxed), 0);
    assert_eq!(bystander.get("/").await.1, "served");
}

#[tokio::test]
async fn unidirectional_streams_of_a_client_are_limited() {
    let server = serve(async |_| Response::new(TestBody::full("served")));
    let connection = connect_quic(server.address, pair()).await;
    let mut open = Vec::new();
    // Their types never arrive.
    let count = within(async {
        loop {
            let mut opening = std::pin::pin!(connection.open_uni());
            let opened = tokio::select! {
                biased;
                opened = &mut opening => opened.expect("the connection is open"),
                () = tokio::task::yield_now() => return open.len(),
            };
            open.push(opened);
        }
    })
    .await;
    assert_eq!(count, volga_h3::limits::MAX_QUIC_CLIENT_STREAMS as usize);
}

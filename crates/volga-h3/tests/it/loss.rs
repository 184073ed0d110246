//! A network that loses packets: a UDP proxy of the test's own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use volga_http::RequestBody;

use super::support::{Client, Step, TestBody, next, read_to_end, serve, within};

/// As many packets of a thousand as there are.
pub(crate) const ALL: u32 = 1_000;

/// Passes packets between one client and a server, and loses some in both directions.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// How many of a thousand packets are lost.
    loss: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) fn start(server: SocketAddr, loss: u32) -> Self {
        let bind = || {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
            socket.set_nonblocking(true).expect("a socket");
            UdpSocket::from_std(socket).expect("a runtime")
        };
        let (inside, outside) = (bind(), bind());
        let address = inside.local_addr().expect("bound");
        let loss = Arc::new(AtomicU32::new(loss));
        let task = tokio::spawn(pass(inside, outside, server, Arc::clone(&loss)));
        Self { address, loss, task }
    }

    pub(crate) fn lose(&self, loss: u32) {
        self.loss.store(loss, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(inside: UdpSocket, outside: UdpSocket, server: SocketAddr, loss: Arc<AtomicU32>) {
    // The same packets are lost in every run, as far as the order of the packets is the same.
    let mut seed = 1_u64;
    let mut is_lost = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as u32 % ALL < loss.load(Ordering::Relaxed)
    };
    let mut client = None;
    let (mut up, mut down) = (vec![0; 2048], vec![0; 2048]);
    loop {
        // An error of a socket is the loss of a packet as well.
        tokio::select! {
            Ok((length, from)) = inside.recv_from(&mut up) => {
                client = Some(from);
                if !is_lost() {
                    let _ = outside.send_to(&up[..length], server).await;
                }
            }
            Ok((length, _)) = outside.recv_from(&mut down) => {
                if let Some(client) = client && !is_lost() {
                    let _ = inside.send_to(&down[..length], client).await;
                }
            }
            else => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn with_5_percent_of_the_packets_lost_everything_arrives_in_order() {
    let server = serve(async |request: Request<RequestBody>| {
        if request.method() == http::Method::POST {
            return Response::new(TestBody::Request(request.into_body()));
        }
        let (steps, _, body) = TestBody::told();
        for number in 0..500 {
            let step = Step::Data(format!("data: {number}\n\n").into());
            steps.send(step).expect("the body is there");
        }
        Response::new(body)
    });
    let proxy = Proxy::start(server.address, 50);
    let mut client = Client::connect(proxy.address).await;
    for _ in 0..20 {
        let mut stream = client.send(Request::get("https://localhost/events")).await;
        within(stream.finish()).await.expect("it is sent");
        within(stream.recv_response()).await.expect("a response");
        let text = String::from_utf8(read_to_end(&mut stream).await).expect("text");
        let expect: String = (0..500).map(|number| format!("data: {number}\n\n")).collect();
        assert!(text == expect, "{text}");
    }
    let upload: Bytes = (0..200_000_u32).map(|number| number as u8).collect::<Vec<u8>>().into();
    let mut stream = client.send(Request::post("https://localhost/")).await;
    within(stream.send_data(upload.clone())).await.expect("it is sent");
    within(stream.finish()).await.expect("it is sent");
    within(stream.recv_response()).await.expect("a response");
    let mut received = Vec::new();
    while let Some(data) = next(&mut stream).await {
        received.extend_from_slice(&data);
    }
    assert!(received == upload, "{} bytes", received.len());
}

//! A client that reads nothing for a while gets new values when it reads again, because few old
//! ones wait in the kernel.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use volga::{
    App,
    http::sse::{Hub, Message, Policy},
    limits::DEFAULT_MAX_UNSENT_BYTES,
    sse,
};

use crate::support::{read_until, run_app, soon};

const KIB: usize = 1024;

/// How many values are published, and how large each is: 16 MiB together.
const VALUES: usize = 16 * 1024;
const VALUE: usize = KIB;

/// What a client may be sent beyond the limit: its receive buffer, the frames on their way, and
/// one buffer of the kernel.
const BEYOND: usize = 192 * KIB;

fn prices() -> Hub {
    Hub::builder().keyed("prices", 10).unwrap().policy(Policy::Latest).build()
}

async fn serve(app: App, hub: &Hub) -> SocketAddr {
    let (mut app, hub) = (app, hub.clone());
    app.map_get("/prices", move || sse!(hub.subscribe("prices").open()?));
    run_app(app).await.address
}

/// Publishes all values, and lets the server send after each of them.
async fn publish(hub: &Hub) {
    for number in 1..=VALUES {
        let data = format!("{number:0>VALUE$}");
        hub.publish_keyed("prices", "key", Message::new().data(data)).unwrap();
        tokio::task::yield_now().await;
    }
}

/// The data of the newest value.
fn newest() -> String {
    format!("data: {VALUES:0>VALUE$}\n")
}

async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * KIB as u32).unwrap();
    soon("the connection", socket.connect(address)).await.unwrap()
}

/// How many bytes a client gets before the newest value, if it reads nothing while all values are
/// published.
async fn bytes_before_the_newest(app: App) -> usize {
    let hub = prices();
    let mut client = connect(serve(app, &hub).await).await;
    client.write_all(b"GET /prices HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_until(&mut client, "retry: ").await;
    publish(&hub).await;
    let (mut read, mut part) = (Vec::new(), vec![0; 64 * KIB]);
    let newest = newest();
    loop {
        let count = soon("the newest value", client.read(&mut part)).await.unwrap();
        assert!(count > 0, "the stream ended");
        let unseen = read.len().saturating_sub(newest.len());
        read.extend_from_slice(&part[..count]);
        if read[unseen..].windows(newest.len()).any(|bytes| bytes == newest.as_bytes()) {
            return read.len();
        }
    }
}

#[tokio::test]
async fn a_slow_reader_of_a_keyed_topic_gets_few_old_values() {
    let before = bytes_before_the_newest(App::new()).await;
    assert!(before <= DEFAULT_MAX_UNSENT_BYTES + BEYOND, "{before} bytes");
    let before = bytes_before_the_newest(App::new().with_max_unsent_bytes(KIB)).await;
    assert!(before <= KIB + BEYOND, "{before} bytes");
}

#[tokio::test]
async fn without_the_limit_it_gets_many() {
    let before = bytes_before_the_newest(App::new().with_max_unsent_bytes(usize::MAX)).await;
    assert!(before > 1024 * KIB, "{before} bytes");
}

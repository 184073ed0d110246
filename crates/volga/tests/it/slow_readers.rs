//! A client that reads nothing for a while gets new values when it reads again, because few old
//! ones wait in the kernel. With `Policy::Close` its stream ends although it reads nothing.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use volga::{
    App,
    http::sse::{Delivery, Hub, Message, Policy, Position, Resume},
    limits::DEFAULT_MAX_UNSENT_BYTES,
    sse,
};

use crate::support::{PATIENCE, read_to_end, read_until, run_app, soon};

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

/// How many messages the log of the next tests holds.
const LOG: usize = 64;

fn log() -> Hub {
    Hub::builder().max_messages(LOG).policy(Policy::close()).build()
}

/// A server whose streams do not end because the client accepts no byte for a while.
async fn serve_log(hub: &Hub) -> SocketAddr {
    // Far longer than the test waits.
    let mut app = App::new().with_write_stall_timeout(10 * PATIENCE);
    let hub = hub.clone();
    app.map_get("/log", move |Resume(last): Resume| {
        sse!(hub.subscribe("log").resume(last).open()?)
    });
    run_app(app).await.address
}

/// Publishes until the stream of the only client has ended. Returns how many messages it took.
async fn publish_until_the_end(hub: &Hub) -> usize {
    let mut published = 0;
    let publishing = async {
        while hub.stats().subscribers > 0 {
            if published < VALUES {
                published += 1;
                let data = format!("{published:0>VALUE$}");
                hub.publish("log", Message::new().data(data)).unwrap();
                tokio::task::yield_now().await;
            } else {
                // The stream is stalled, and only time passes.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        published
    };
    soon("the end of the stream", publishing).await
}

/// Checks what the client has got when it reads at last, and that a resume covers the rest.
async fn check_resume(hub: &Hub, read: &str, published: usize) {
    let received: Vec<usize> =
        read.split("data: ").skip(1).filter_map(|data| data.get(..VALUE)?.parse().ok()).collect();
    assert_eq!(received, (1..=received.len()).collect::<Vec<_>>(), "once and in order");
    let last = received.len();
    assert!(last + LOG / 2 <= published, "{last} of {published}: it was half a log behind");
    let positions = read.split("id: ").filter_map(|id| id.lines().next()?.parse::<Position>().ok());
    let position = positions.filter(|position| position.number() == last as u64).last();
    let position = position.expect("the last message has an ID");
    let mut again = hub.subscribe("log").resume(position).open().unwrap();
    match soon("the resume", again.next()).await {
        Some(Delivery::Gap(gap)) => {
            assert!(last + LOG < published, "{gap:?}: the log has all of it");
        }
        Some(Delivery::Message(message)) => {
            assert!(last + LOG >= published);
            assert_eq!(message.position().map(|at| at.number()), Some(last as u64 + 1));
        }
        None => panic!("the subscription has ended"),
    }
}

#[tokio::test]
async fn over_http1_the_stream_of_a_reader_that_stalls_ends_although_it_does_not_read() {
    let hub = log();
    let mut client = connect(serve_log(&hub).await).await;
    client.write_all(b"GET /log HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let begin = read_until(&mut client, "id: ").await;
    let published = publish_until_the_end(&hub).await;
    let read = begin + &read_to_end(&mut client).await;
    assert!(!read.ends_with("\r\n0\r\n\r\n"), "the response was cut");
    check_resume(&hub, &read, published).await;
}

#[tokio::test]
async fn over_http2_the_stream_of_a_reader_that_stalls_ends_although_its_window_is_closed() {
    let hub = log();
    let socket = TcpStream::connect(serve_log(&hub).await).await.unwrap();
    // The window is smaller than a frame, so the server holds the rest of one.
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(10_000);
    let (mut client, connection) =
        builder.handshake::<_, Empty<Bytes>>(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://a/log").body(Empty::new()).unwrap();
    let mut body = soon("the head", client.send_request(request)).await.unwrap().into_body();
    let mut read = Vec::new();
    while !read.windows(4).any(|bytes| bytes == b"id: ") {
        let frame = soon("the ID", body.frame()).await.unwrap().unwrap();
        read.extend_from_slice(&frame.into_data().unwrap());
    }
    let published = publish_until_the_end(&hub).await;
    while let Some(Ok(frame)) = soon("the end", body.frame()).await {
        read.extend_from_slice(&frame.into_data().unwrap_or_default());
    }
    check_resume(&hub, &String::from_utf8_lossy(&read), published).await;
}

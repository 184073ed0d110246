//! A client that reads nothing for a while gets new values when it reads again, because few old
//! ones wait in the kernel. With `Policy::Close` its stream ends although it reads nothing.

use std::{net::SocketAddr, pin::pin, time::Duration};

use bytes::{Buf, Bytes};
use futures_util::{StreamExt, future::join_all, stream};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use quinn::TransportConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use volga::{
    App, HttpResult,
    di::Dc,
    error::Problem,
    http::sse::{Delivery, Hub, Message, Policy, Position, Resume, Sse, Subscription},
    limits::DEFAULT_MAX_UNSENT_BYTES,
    middleware::Compression,
    ok,
    sessions::{MemorySessions, Session, Sessions},
    sse, sse_stream,
};

use crate::{
    support::{PATIENCE, ask, data2, get2, read_to_end, read_until, run_app, soon},
    tls_support::{Pair, run},
};

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

/// How many messages are published at most. They are more than the buffers of a connection hold.
const MESSAGES: usize = 4_000;

fn log() -> Hub {
    Hub::builder().max_messages(LOG).policy(Policy::close()).build()
}

/// How the subscription of a stalled client ends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    TooSlow,
    SignOut,
}

impl Ending {
    /// The number of messages that the log holds.
    fn log(self) -> usize {
        match self {
            Self::TooSlow => LOG,
            Self::SignOut => MESSAGES,
        }
    }

    fn hub(self) -> Hub {
        match self {
            Self::TooSlow => log(),
            Self::SignOut => {
                let bytes = 2 * VALUE * MESSAGES;
                Hub::builder().max_messages(MESSAGES).max_bytes(bytes).build()
            }
        }
    }

    /// Ends all streams. Returns how many messages were published before.
    async fn run(self, hub: &Hub, source: Source) -> usize {
        match self {
            Self::TooSlow => publish_until_the_end(hub, source).await,
            Self::SignOut => {
                for number in 1..=MESSAGES {
                    publish_one(hub, number);
                    tokio::task::yield_now().await;
                }
                assert!(hub.stats().subscribers > 0, "no stream has ended");
                hub.close_identity("anna");
                all_end(hub, source).await;
                MESSAGES
            }
        }
    }
}

/// The filters of each kind of reader. All of them read the topic `log`.
const READERS: [&[&str]; 4] = [&["log"], &["log", "other"], &[">"], &["other", "*", "log", "x.>"]];

/// How the app sends a subscription.
#[derive(Clone, Copy, Debug)]
enum Source {
    Itself,
    Deliveries,
    Block,
    /// With a second subscription, to which nothing is published.
    Merged,
}

const SOURCES: [Source; 4] = [Source::Itself, Source::Deliveries, Source::Block, Source::Merged];

impl Source {
    fn send(self, hub: &Hub, mut subscription: Subscription) -> HttpResult {
        let end = subscription.watch_end();
        match self {
            Self::Itself => sse!(subscription),
            Self::Deliveries => {
                let stream = subscription.deliveries().map(Delivery::encode);
                sse!(Sse::new(stream).end_with(end))
            }
            Self::Block => {
                let stream = sse_stream! {
                    while let Some(delivery) = subscription.next().await {
                        yield delivery;
                    }
                };
                sse!(Sse::new(stream).end_with(end))
            }
            Self::Merged => {
                let quiet = hub.subscribe("quiet").without_first_id().open()?;
                let end_of_quiet = quiet.watch_end();
                let stream = stream::select(quiet.deliveries(), subscription.deliveries());
                sse!(Sse::new(stream).end_with(end_of_quiet).end_with(end))
            }
        }
    }
}

/// Each source with each kind of reader, and both ends of each source.
fn cases() -> impl Iterator<Item = (Source, &'static [&'static str], Ending)> {
    let sources = SOURCES.into_iter();
    sources.flat_map(|source| {
        let too_slow = READERS.map(|filters| (source, filters, Ending::TooSlow));
        too_slow.into_iter().chain([(source, READERS[0], Ending::SignOut)])
    })
}

/// An app whose streams do not end because the client accepts no byte for a while.
fn log_app(hub: &Hub, source: Source, filters: &'static [&'static str]) -> App {
    // Far longer than the test waits.
    let mut app = App::new().with_write_stall_timeout(10 * PATIENCE);
    let hub = hub.clone();
    app.map_get("/log", move |Resume(last): Resume| {
        let subscribe = hub.subscribe(filters).identity("anna").resume(last);
        source.send(&hub, subscribe.open()?)
    });
    app
}

async fn serve_log(hub: &Hub, source: Source, filters: &'static [&'static str]) -> SocketAddr {
    run_app(log_app(hub, source, filters)).await.address
}

fn publish_one(hub: &Hub, number: usize) {
    hub.publish("log", Message::new().data(format!("{number:0>VALUE$}"))).unwrap();
}

/// Waits until no stream is left.
async fn all_end(hub: &Hub, source: Source) {
    let ended = async {
        while hub.stats().subscribers > 0 {
            // The streams are stalled, and only time passes.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(&format!("the end of the streams of {source:?}"), ended).await;
}

/// Publishes until all streams have ended. Returns how many messages it took.
async fn publish_until_the_end(hub: &Hub, source: Source) -> usize {
    let mut published = 0;
    while hub.stats().subscribers > 0 && published < MESSAGES {
        published += 1;
        publish_one(hub, published);
        tokio::task::yield_now().await;
    }
    all_end(hub, source).await;
    published
}

/// Checks what the client has got when it reads at last, and that a resume covers the rest.
async fn check_resume(hub: &Hub, filters: &[&str], read: &str, published: usize, ending: Ending) {
    let received: Vec<usize> =
        read.split("data: ").skip(1).filter_map(|data| data.get(..VALUE)?.parse().ok()).collect();
    assert_eq!(received, (1..=received.len()).collect::<Vec<_>>(), "once and in order");
    let (last, log) = (received.len(), ending.log());
    assert!(last < published, "{ending:?}: it was stalled");
    if let Ending::TooSlow = ending {
        assert!(last + log / 2 <= published, "{last} of {published}: it was half a log behind");
    }
    let positions = read.split("id: ").filter_map(|id| id.lines().next()?.parse::<Position>().ok());
    let position = positions.filter(|position| position.number() == last as u64).last();
    let position = position.expect("the last message has an ID");
    let mut again = hub.subscribe(filters).resume(position).open().unwrap();
    match soon("the resume", again.next()).await {
        Some(Delivery::Gap(gap)) => {
            assert!(last + log < published, "{gap:?}: the log has all of it");
        }
        Some(Delivery::Message(message)) => {
            assert!(last + log >= published);
            assert_eq!(message.position().map(|at| at.number()), Some(last as u64 + 1));
        }
        None => panic!("the subscription has ended"),
    }
}

#[tokio::test]
async fn over_http1_the_stream_of_a_reader_that_stalls_ends_although_it_does_not_read() {
    let all = cases().map(async |(source, filters, ending)| {
        let hub = ending.hub();
        let mut client = connect(serve_log(&hub, source, filters).await).await;
        client.write_all(b"GET /log HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let begin = read_until(&mut client, "id: ").await;
        let published = ending.run(&hub, source).await;
        let read = begin + &read_to_end(&mut client).await;
        assert!(!read.ends_with("\r\n0\r\n\r\n"), "{source:?}: the response was cut");
        check_resume(&hub, filters, &read, published, ending).await;
    });
    join_all(all).await;
}

#[tokio::test]
async fn the_compressed_stream_of_a_reader_that_stalls_ends_too() {
    for (coding, source) in ["gzip", "deflate", "br", "zstd"].into_iter().zip(SOURCES) {
        let hub = log();
        let mut app = log_app(&hub, source, READERS[0]);
        app.attach(Compression::new());
        let mut client = connect(run_app(app).await.address).await;
        let head = format!("GET /log HTTP/1.1\r\nhost: a\r\naccept-encoding: {coding}\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        read_until(&mut client, &format!("content-encoding: {coding}\r\n")).await;
        let (mut published, mut random) = (0, 1_u64);
        while hub.stats().subscribers > 0 && published < MESSAGES {
            published += 1;
            // Data that does not become much shorter.
            let words = std::iter::repeat_with(|| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                format!("{random:x}")
            });
            let data: String = words.take(VALUE / 16).collect();
            hub.publish("log", Message::new().data(data)).unwrap();
            tokio::task::yield_now().await;
        }
        all_end(&hub, source).await;
    }
}

type Http2 = http2::SendRequest<Empty<Bytes>>;

/// A client of HTTP/2 whose streams have a window of this size, and its connection.
async fn connect_http2(socket: TcpStream, window: u32) -> (Http2, impl Future<Output = ()>) {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    let (client, connection) = builder.handshake(TokioIo::new(socket)).await.unwrap();
    (client, async { drop(connection.await) })
}

/// Opens a stream, and reads until its ID.
async fn open_http2(client: &mut Http2) -> (Incoming, Vec<u8>) {
    let request = Request::get("http://a/log").body(Empty::new()).unwrap();
    let mut body = soon("the head", client.send_request(request)).await.unwrap().into_body();
    let mut read = Vec::new();
    while !read.windows(4).any(|bytes| bytes == b"id: ") {
        let frame = soon("the ID", body.frame()).await.unwrap().unwrap();
        read.extend_from_slice(&frame.into_data().unwrap());
    }
    (body, read)
}

#[tokio::test]
async fn over_http2_the_stream_of_a_reader_that_stalls_ends_although_its_window_is_closed() {
    let all = cases().map(async |(source, filters, ending)| {
        let hub = ending.hub();
        let address = serve_log(&hub, source, filters).await;
        let socket = TcpStream::connect(address).await.unwrap();
        // The window is smaller than a frame, so the server holds the rest of one.
        let (mut client, connection) = connect_http2(socket, 10_000).await;
        tokio::spawn(connection);
        let (mut body, mut read) = open_http2(&mut client).await;
        let published = ending.run(&hub, source).await;
        while let Some(Ok(frame)) = soon("the end", body.frame()).await {
            read.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
        let read = String::from_utf8_lossy(&read);
        check_resume(&hub, filters, &read, published, ending).await;
    });
    join_all(all).await;
}

#[tokio::test]
async fn over_http2_the_streams_of_a_client_that_does_not_read_its_socket_end() {
    let cases = [1, 3].into_iter().flat_map(|streams| SOURCES.map(|source| (streams, source)));
    let all = cases.map(async |(streams, source)| {
        let hub = log();
        let address = serve_log(&hub, source, READERS[0]).await;
        // The windows are larger than everything that is published.
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1 << 30).initial_connection_window_size(1 << 30);
        let socket = connect(address).await;
        let (client, connection) = builder.handshake::<_, Bytes>(socket).await.unwrap();
        let mut connection = pin!(connection);
        let mut bodies = Vec::new();
        let opening = async {
            for _ in 0..streams {
                let mut body = get2(&client, "/log").await.into_body();
                while !data2(&mut body).await.unwrap().unwrap().contains("id: ") {}
                bodies.push(body);
            }
        };
        tokio::select! {
            () = opening => {}
            _ = &mut connection => panic!("the connection has ended"),
        }
        // Nothing reads the socket any more, and the connection stays open.
        publish_until_the_end(&hub, source).await;
    });
    join_all(all).await;
}

#[tokio::test]
async fn over_http3_the_stream_of_a_reader_that_stalls_ends_although_its_window_is_closed() {
    let pair = Pair::new();
    let windows = [10_000_u32, 1_000, 100_000, 30_000].into_iter().cycle();
    let all = cases().zip(windows).map(async |((source, filters, ending), window)| {
        let hub = ending.hub();
        let app =
            log_app(&hub, source, filters).bind("127.0.0.1:0").with_tls(pair.tls()).with_http3();
        let address = run(app).await.addresses[0];
        let mut transport = TransportConfig::default();
        transport.stream_receive_window(window.into());
        let mut client = pair.connect_http3_with(address, transport).await;
        let (_, mut stream) = client.send(Request::get("https://localhost/log"), "").await;
        let mut read = Vec::new();
        while !read.windows(4).any(|bytes| bytes == b"id: ") {
            let mut data = soon("the ID", stream.recv_data()).await.unwrap().unwrap();
            read.extend_from_slice(&data.copy_to_bytes(data.remaining()));
        }
        let published = ending.run(&hub, source).await;
        while let Ok(Some(mut data)) = soon("the end", stream.recv_data()).await {
            read.extend_from_slice(&data.copy_to_bytes(data.remaining()));
        }
        let read = String::from_utf8_lossy(&read);
        check_resume(&hub, filters, &read, published, ending).await;
    });
    join_all(all).await;
}

/// The whole way of a sign-out: the session is deleted, and then the streams of the user end.
#[tokio::test]
async fn a_sign_out_ends_the_streams_of_a_client_that_reads_nothing() {
    for source in SOURCES {
        let hub = Ending::SignOut.hub();
        let mut app = App::new().with_write_stall_timeout(10 * PATIENCE);
        app.add_singleton(Sessions::new(MemorySessions::new()));
        app.add_singleton(hub.clone());
        app.map_post("/sign-in", async |session: Session| {
            session.sign_in("anna").await?;
            ok!()
        });
        app.map_post("/sign-out", async |session: Session, hub: Dc<Hub>| {
            let user = session.user().ok_or(Problem::new(401))?;
            session.sign_out().await?;
            hub.close_identity(&user);
            ok!()
        });
        app.map_get("/log", async move |session: Session, hub: Dc<Hub>| {
            let user = session.user().ok_or(Problem::new(401))?;
            source.send(&hub, hub.subscribe("log").identity(&*user).open()?)
        });
        let address = run_app(app).await.address;
        let response = ask(address, "POST /sign-in").await;
        let cookie = response.split("set-cookie: ").nth(1).expect("a cookie");
        let cookie = cookie.split(';').next().expect("its value");
        let request =
            |line: &str| format!("{line} HTTP/1.1\r\nhost: a\r\ncookie: {cookie}\r\n\r\n");

        let mut stalled = connect(address).await;
        stalled.write_all(request("GET /log").as_bytes()).await.unwrap();
        read_until(&mut stalled, "id: ").await;
        for number in 1..=MESSAGES {
            publish_one(&hub, number);
            tokio::task::yield_now().await;
        }
        assert!(hub.stats().subscribers > 0, "{source:?}");
        let mut other = connect(address).await;
        other.write_all(request("POST /sign-out").as_bytes()).await.unwrap();
        read_until(&mut other, "HTTP/1.1 200").await;
        all_end(&hub, source).await;
    }
}

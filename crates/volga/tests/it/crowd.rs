//! Thousands of streams of both protocols in one server process: the shutdown, and the memory after
//! the streams have ended.
#![cfg(unix)]

use std::process::Stdio;

use futures_util::{StreamExt, stream};
use h2::client::SendRequest;
use tokio::net::TcpStream;
use volga::{
    App,
    error::ShutdownError,
    http::sse::{Hub, Message, Sse},
    ok, sse,
};

use super::{
    child::Server,
    support::{PATIENCE, ask, data2, get2, http2, read_to_end, read_until, send},
};

/// Set in the process that runs the server.
const CHILD: &str = "VOLGA_TEST_CROWD_CHILD";
const HTTP1_STREAMS: usize = 2_000;
const HTTP2_CONNECTIONS: usize = 20;
const STREAMS_EACH: usize = 100;
/// The number of connections that are opened at a time: fewer than the backlog of a listener.
const AT_ONCE: usize = 64;
const NEWS: &str = "data: to all\nid: ";

/// The server process that the other tests start. It is not a test itself.
#[test]
fn child_server() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let hub = Hub::new();
    let publisher = hub.clone();
    let mut app = App::new().bind("127.0.0.1:0").with_shutdown_timeout(10 * PATIENCE);
    app.map_get("/events", move || {
        let subscription = hub.subscribe("news").open()?;
        sse!(subscription)
    });
    app.map_get("/publish", move || {
        publisher.publish("news", Message::new().data("to all"))?;
        ok!()
    });
    let counters = app.counters();
    app.map_get("/open", move || ok!("{}", counters.snapshot().streams_open));
    app.map_get("/flood", || sse!(stream::repeat_with(|| Message::new().data("x".repeat(8_192)))));
    app.map_get("/answer", || sse!(Sse::new(stream::pending::<Message>()).finite()));
    if let Err(error) = app.run_blocking() {
        let code = ShutdownError::of(&error).expect("it started").exit_code();
        std::process::exit(code.into());
    }
}

async fn start() -> Server {
    Server::start("crowd::child_server", "", Stdio::null(), &[(CHILD, "1")]).await
}

async fn http1_streams(server: &Server, path: &str, count: usize) -> Vec<TcpStream> {
    let opening = stream::iter(0..count).map(|_| async {
        let mut client = send(server.address, &format!("GET {path}")).await;
        read_until(&mut client, "retry: 3000\n").await;
        client
    });
    opening.buffer_unordered(AT_ONCE).collect().await
}

async fn http2_streams(server: &Server, connections: usize, each: usize) -> Vec<Http2Streams> {
    let mut all = Vec::new();
    for _ in 0..connections {
        let client = http2(server.address).await;
        let opening = stream::iter(0..each).map(|_| async {
            let mut body = get2(&client, "/events").await.into_body();
            assert!(data2(&mut body).await.unwrap().unwrap().starts_with("retry: 3000\n"));
            body
        });
        let bodies = opening.buffer_unordered(AT_ONCE).collect().await;
        all.push(Http2Streams { bodies, _client: client });
    }
    all
}

/// The private memory of a process, in bytes.
#[cfg(target_os = "linux")]
fn private_memory(server: &Server) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", server.id())).unwrap();
    let of = |line: &str| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap();
    let private = text.lines().filter(|line| line.starts_with("Private_"));
    1024 * private.map(of).sum::<u64>()
}

struct Http2Streams {
    bodies: Vec<h2::RecvStream>,
    _client: SendRequest<bytes::Bytes>,
}

/// Whether a stream is complete: the message, the farewell, and nothing after it.
fn check_whole(text: &str) {
    assert!(text.contains(NEWS), "{text:?}");
    let (_, farewell) = text.rsplit_once("retry: ").expect("a farewell");
    farewell.lines().next().unwrap().parse::<u32>().expect("a time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_end_each_of_thousands_of_streams_reads_its_farewell_and_a_proper_end() {
    let server = start().await;
    let ones = http1_streams(&server, "/events", HTTP1_STREAMS).await;
    let twos = http2_streams(&server, HTTP2_CONNECTIONS, STREAMS_EACH).await;
    assert!(ask(server.address, "GET /publish").await.starts_with("HTTP/1.1 200 "));
    server.terminate();
    for mut client in ones {
        let text = read_to_end(&mut client).await;
        assert!(text.ends_with("\r\n0\r\n\r\n"), "{text:?}");
        check_whole(&text);
    }
    for mut body in twos.into_iter().flat_map(|connection| connection.bodies) {
        let mut text = String::new();
        while let Some(data) = data2(&mut body).await {
            text.push_str(&data.expect("a proper end"));
        }
        check_whole(&text);
    }
    assert_eq!(server.exit_code().await, Some(0));
}

/// The server may take more than three minutes, so a test that passes has not waited for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_read_nothing_do_not_delay_the_end_of_the_others_or_change_the_exit_code() {
    const STALLED: usize = 100;
    let server = start().await;
    let ones = http1_streams(&server, "/events", HTTP1_STREAMS).await;
    // These read the beginning and nothing more, so all buffers fill.
    let stalled = http1_streams(&server, "/flood", STALLED / 2).await;
    let client = http2(server.address).await;
    let mut stalled2 = Vec::new();
    for _ in 0..STALLED / 2 {
        stalled2.push(get2(&client, "/flood").await);
    }
    assert!(ask(server.address, "GET /publish").await.starts_with("HTTP/1.1 200 "));
    server.terminate();
    for mut client in ones {
        let text = read_to_end(&mut client).await;
        assert!(text.ends_with("\r\n0\r\n\r\n"), "{text:?}");
        check_whole(&text);
    }
    assert_eq!(server.exit_code().await, Some(0));
    drop((stalled, stalled2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once_however_many_answers_still_run() {
    const ANSWERS: usize = 200;
    let server = start().await;
    let answers = http1_streams(&server, "/answer", ANSWERS).await;
    let mut subscription = http1_streams(&server, "/events", 1).await.remove(0);
    server.terminate();
    assert!(read_to_end(&mut subscription).await.ends_with("\r\n0\r\n\r\n"));
    server.terminate();
    for mut client in answers {
        assert!(!read_to_end(&mut client).await.ends_with("0\r\n\r\n"), "it was cut");
    }
    assert_eq!(server.exit_code().await, Some(3));
}

/// The number of streams that are abandoned at a time, half of them on each protocol.
#[cfg(target_os = "linux")]
const BATCH: usize = 1_000;

/// Opens and abandons streams in batches. Returns how much the private memory of the process has
/// grown since the first few batches.
#[cfg(target_os = "linux")]
async fn growth(batches: usize) -> i64 {
    /// After this many batches the pools are full.
    const WARM: usize = 5;
    let server = start().await;
    let mut warm = 0;
    for batch in 0..batches {
        if batch == WARM {
            warm = private_memory(&server);
        }
        let ones = http1_streams(&server, "/events", BATCH / 2).await;
        let twos = http2_streams(&server, 5, BATCH / 10).await;
        // Every second connection is reset, the others are closed properly.
        ones.iter().step_by(2).try_for_each(TcpStream::set_zero_linger).unwrap();
        drop((ones, twos));
        // The server has noticed all of them when no stream is open any more.
        while !ask(server.address, "GET /open").await.ends_with("\r\n\r\n0") {}
    }
    let growth = private_memory(&server) as i64 - warm as i64;
    println!("{} streams abandoned: {warm} bytes, then {growth:+}", batches * BATCH);
    server.terminate();
    assert_eq!(server.exit_code().await, Some(0));
    growth
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_abandoned_streams_held_comes_back() {
    // A leak of 600 bytes for each stream would be noticed. The allocator itself varies by less.
    assert!(growth(10).await < 3 << 20);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half a minute: cargo test -p volga --test it -- --ignored soak"]
async fn soak_what_a_hundred_thousand_abandoned_streams_held_comes_back() {
    // This notices 20 bytes for each stream.
    assert!(growth(100).await < 2 << 20);
}

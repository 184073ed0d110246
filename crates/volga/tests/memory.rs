//! The memory of open streams and of uploads. These tests have their own binary, because the
//! counting allocator applies to the whole process.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use allocation_counter::measure;
use futures_util::stream;
use volga::{
    App,
    http::{Bytes, sse::Message},
    ok, sse,
};

const GET: &[u8] = b"GET /events HTTP/1.1\r\nhost: a\r\n\r\n";

/// Opens streams, and waits for the opening message of each. These clients allocate nothing.
async fn open(address: SocketAddr, count: usize, clients: &mut Vec<TcpStream>) {
    for _ in 0..count {
        let mut client = TcpStream::connect(address).expect("the app listens");
        client.write_all(GET).expect("room");
        client.set_nonblocking(true).expect("an open socket");
        let (mut answer, mut length) = ([0; 1024], 0);
        while !answer[..length].ends_with(b"retry: 3000\n\r\n") {
            match client.read(&mut answer[length..]) {
                Ok(read) => length += read,
                // The app runs in the same thread.
                Err(_) => tokio::task::yield_now().await,
            }
        }
        clients.push(client);
    }
}

/// Returns the number of allocated bytes when this many streams are open.
fn held_by(count: usize) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut clients = Vec::with_capacity(count);
    let info = measure(|| {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
            let address = listener.local_addr().expect("a bound socket");
            let mut app = App::new().without_greeter();
            app.map_get("/events", || sse!(stream::pending::<Message>()));
            tokio::spawn(app.run_with_listener(listener));
            open(address, count, &mut clients).await;
        });
    });
    info.bytes_current
}

/// A stream has its task, the registration of its socket with the runtime, its body with heartbeat
/// and timer, its handles, and the hooks for its end.
#[test]
fn an_idle_stream_holds_little_more_than_a_kilobyte() {
    const FEW: usize = 64;
    const MANY: usize = 64 + 512;
    let each = (held_by(MANY) - held_by(FEW)) / (MANY - FEW) as i64;
    assert!((500..1_150).contains(&each), "{each} bytes");
}

/// Measures stalled uploads: `count` clients send `sent` bytes of a body and then nothing. Returns
/// how many were refused, and the maximum number of allocated bytes.
fn held_by_uploads(count: usize, sent: usize, limit: usize) -> (usize, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", 2 * sent);
    let request = [head.as_bytes(), &vec![b'x'; sent]].concat();
    let mut clients = Vec::with_capacity(count);
    let mut refused = 0;
    let info = measure(|| {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
            let address = listener.local_addr().expect("a bound socket");
            let mut app = App::new()
                .without_greeter()
                .with_max_collected_bytes(limit)
                .on_error(|report| assert_eq!(report.status(), 503));
            app.map_post("/", async |body: Bytes| ok!("{}", body.len()));
            tokio::spawn(app.run_with_listener(listener));
            for _ in 0..count {
                let mut client = TcpStream::connect(address).expect("the app listens");
                client.set_nonblocking(true).expect("an open socket");
                let mut rest = &request[..];
                let mut answer = [0; 12];
                // A client that is refused need not send the rest.
                while !rest.is_empty() && client.peek(&mut answer).is_err() {
                    rest = &rest[client.write(rest).unwrap_or(0)..];
                    tokio::task::yield_now().await;
                }
                // The app runs in the same thread, and may not have read everything yet.
                for _ in 0..1_000 {
                    tokio::task::yield_now().await;
                }
                if client.read(&mut answer).is_ok() {
                    assert_eq!(&answer, b"HTTP/1.1 503");
                    refused += 1;
                }
                clients.push(client);
            }
        });
    });
    (refused, info.bytes_max)
}

/// A growing block may be twice as large as the collected bytes, and is copied while it grows.
#[test]
fn stalled_uploads_hold_at_most_twice_the_limit() {
    const SENT: usize = 512 * 1024;
    const LIMIT: usize = 8 * SENT;
    let (refused, most) = held_by_uploads(64, SENT, LIMIT);
    assert!(refused >= 64 - 8, "{refused} refused");
    assert!((LIMIT as u64 / 2..3 * LIMIT as u64).contains(&most), "{most} bytes");
}

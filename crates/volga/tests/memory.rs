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

#[cfg(feature = "tls")]
mod tls {
    use std::{
        io::{Read, Write},
        net::{SocketAddr, TcpStream},
        sync::Arc,
    };

    use allocation_counter::measure;
    use futures_util::stream;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection, StreamOwned};
    use volga::{App, http::sse::Message, sse, tls::Tls};

    const FEW: usize = 32;
    const MANY: usize = 32 + 128;

    /// The settings of a server with a new certificate, and a client that trusts it.
    fn settings() -> (Tls, Arc<ClientConfig>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a pair");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("valid");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        (Tls::pem(made.cert.pem(), made.signing_key.serialize_pem()), Arc::new(client))
    }

    fn client(config: &Arc<ClientConfig>) -> ClientConnection {
        let name = "localhost".try_into().expect("a name");
        ClientConnection::new(Arc::clone(config), name).expect("a session")
    }

    /// Returns the number of allocated bytes that so many sessions of rustls hold without a socket,
    /// after a request and a response. Each is in a box, as in a server.
    fn held_by_rustls(count: usize) -> i64 {
        let (tls, client_config) = settings();
        let server_config = tls.load().expect("a pair").server_config();
        let mut sessions = Vec::with_capacity(count);
        let info = measure(|| {
            for _ in 0..count {
                let server = ServerConnection::new(Arc::clone(&server_config)).expect("a session");
                let (mut server, mut client) = (Box::new(server), client(&client_config));
                while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
                    let mut bytes = Vec::new();
                    while client.wants_write() {
                        client.write_tls(&mut bytes).expect("memory");
                    }
                    let mut rest = &bytes[..];
                    while !rest.is_empty() {
                        server.read_tls(&mut rest).expect("memory");
                        server.process_new_packets().expect("TLS");
                    }
                    bytes.clear();
                    while server.wants_write() {
                        server.write_tls(&mut bytes).expect("memory");
                    }
                    let mut rest = &bytes[..];
                    while !rest.is_empty() {
                        client.read_tls(&mut rest).expect("memory");
                        client.process_new_packets().expect("TLS");
                    }
                }
                client.writer().write_all(super::GET).expect("memory");
                let mut bytes = Vec::new();
                client.write_tls(&mut bytes).expect("memory");
                server.read_tls(&mut &bytes[..]).expect("memory");
                server.process_new_packets().expect("TLS");
                let mut request = [0; super::GET.len()];
                server.reader().read_exact(&mut request).expect("a request");
                server.writer().write_all(b"a response").expect("memory");
                server.write_tls(&mut Vec::new()).expect("memory");
                sessions.push(server);
            }
        });
        info.bytes_current
    }

    /// Opens streams over TLS, and waits for the opening message of each.
    fn open(
        address: SocketAddr,
        count: usize,
        config: &Arc<ClientConfig>,
    ) -> Vec<StreamOwned<ClientConnection, TcpStream>> {
        let open = |_| {
            let socket = TcpStream::connect(address).expect("the app listens");
            let mut stream = StreamOwned::new(client(config), socket);
            stream.write_all(super::GET).expect("room");
            let (mut answer, mut length) = ([0; 1024], 0);
            while !answer[..length].ends_with(b"retry: 3000\n\r\n") {
                length += stream.read(&mut answer[length..]).expect("a response");
            }
            stream
        };
        (0..count).map(open).collect()
    }

    /// Returns the number of allocated bytes when this many streams over TLS are open. The clients
    /// run in a thread of their own, whose allocations do not count.
    fn held_by_streams(count: usize) -> i64 {
        let (tls, client_config) = settings();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let mut clients = Vec::new();
        let info = measure(|| {
            runtime.block_on(async {
                let mut app = App::new().without_greeter().bind("127.0.0.1:0").with_tls(tls);
                app.map_get("/events", || sse!(stream::pending::<Message>()));
                let app = app.listen().await.expect("a port");
                let address = app.addresses()[0].tcp().expect("TCP");
                tokio::spawn(app.run());
                let (done, opened) = tokio::sync::oneshot::channel();
                std::thread::spawn(move || done.send(open(address, count, &client_config)));
                clients = opened.await.expect("no panic");
            });
        });
        info.bytes_current
    }

    /// Together, the state of rustls and our own bytes are less than the usual state of rustls and
    /// a plain stream, because rustls keeps no buffers here.
    #[test]
    fn an_idle_stream_over_tls_holds_less_than_the_usual_state_of_rustls_and_a_plain_one() {
        let each = |held_by: fn(usize) -> i64| (held_by(MANY) - held_by(FEW)) / (MANY - FEW) as i64;
        let (rustls, stream, plain) =
            (each(held_by_rustls), each(held_by_streams), each(super::held_by));
        assert!(rustls > 4_000 && plain > 500, "{rustls} and {plain} bytes");
        assert!(stream <= rustls, "{stream} bytes; rustls alone {rustls}, plain {plain}");
    }
}

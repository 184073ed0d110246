//! The listeners of an app, and the limits of its connections.

use futures_util::stream;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use volga::{
    App,
    http::{
        ClientAddr,
        sse::{Message, StreamLimit},
    },
    middleware::LimitStreams,
    ok, sse,
};

use super::support::{ask, data2, get2, read_to_end, read_until, send, soon};

#[tokio::test]
async fn connections_beyond_the_limits_are_refused_and_counted() {
    for (in_all, per_address) in [(1, 10), (10, 1)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut app = App::new()
            .without_greeter()
            .with_max_connections(in_all)
            .with_max_connections_per_address(per_address);
        app.map_get("/events", || sse!(stream::pending::<Message>()));
        let counters = app.counters();
        let _end = tokio::spawn(app.run_with_listener(listener));
        let mut first = send(address, "GET /events").await;
        read_until(&mut first, "retry: 3000\n").await;
        assert_eq!(read_to_end(&mut send(address, "GET /events").await).await, "");
        let now = counters.snapshot();
        assert_eq!(now.connections_refused_by_total, u64::from(in_all == 1));
        assert_eq!(now.connections_refused_by_address, u64::from(per_address == 1));
        assert_eq!((now.connections_open, now.streams_open), (1, 1));
    }
}

/// A unique path in the directory for temporary files, because the path of a socket must be short.
#[cfg(unix)]
fn socket_path(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("volga-{}-{name}", std::process::id()))
}

#[cfg(unix)]
async fn until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        read.push(soon(end, stream.read_u8()).await.unwrap());
    }
    String::from_utf8(read).unwrap()
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_has_streams_and_their_farewell_and_clients_without_address() {
    let path = socket_path("app");
    let app = App::new().without_greeter().bind(format!("unix:{}", path.display()));
    let (mut app, shutdown) = app.with_shutdown();
    app.map_get("/who", async |client: Option<ClientAddr>| ok!("{client:?};"))
        .map_get("/must", async |client: ClientAddr| ok!("{client};"));
    app.group("/", |limited| {
        limited.attach(LimitStreams::by_client(StreamLimit::new(1).with_max_per_key(1)));
        limited.map_get("/events", || sse!(stream::pending::<Message>()));
    });
    let run = tokio::spawn(app.run());
    let connect = async || {
        let connecting = async {
            loop {
                // The app does not listen yet.
                if let Ok(stream) = tokio::net::UnixStream::connect(&path).await {
                    return stream;
                }
                tokio::task::yield_now().await;
            }
        };
        soon("the server", connecting).await
    };

    let mut one = connect().await;
    one.write_all(b"GET /who HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    until(&mut one, "None;").await;
    one.write_all(b"GET /must HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(until(&mut one, "}").await.starts_with("HTTP/1.1 500 "));
    one.write_all(b"GET /events HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    until(&mut one, "retry: 3000\n").await;

    let (two, connection) = soon("HTTP/2", h2::client::handshake(connect().await)).await.unwrap();
    tokio::spawn(connection);
    let mut body = get2(&two, "/events").await.into_body();
    let first = data2(&mut body).await.unwrap().unwrap();
    assert_eq!(first, "retry: 3000\n", "clients without address are not counted");

    shutdown.shutdown();
    until(&mut one, "\r\n0\r\n\r\n").await;
    assert!(data2(&mut body).await.unwrap().unwrap().contains("retry: "));
    drop(two);
    soon("the end", run).await.unwrap().unwrap();
    assert!(!path.exists());
}

/// An app that cannot listen on a path names the path.
#[cfg(unix)]
#[tokio::test]
async fn a_path_that_is_taken_is_named() {
    let path = socket_path("taken");
    let _taken = tokio::net::UnixListener::bind(&path).unwrap();
    let app = App::new().without_greeter().bind(format!("unix:{}", path.display()));
    let error = app.run().await.unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn an_app_runs_on_a_listener_of_any_kind() {
    let path = socket_path("given");
    let unix = tokio::net::UnixListener::bind(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let app = || {
        let mut app = App::new().without_greeter();
        app.map_get("/", || ok!("served;"));
        app
    };
    let _tcp = tokio::spawn(app().run_with_listener(tcp));
    assert!(ask(address, "GET /").await.ends_with("served;"));
    let _unix = tokio::spawn(app().run_with_listener(unix));
    let mut client = tokio::net::UnixStream::connect(&path).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    until(&mut client, "served;").await;
    std::fs::remove_file(&path).unwrap();
}

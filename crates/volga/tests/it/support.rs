//! Servers on a free port, and clients that send and read bytes.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use volga::{App, ShutdownHandle, tls::Tls};

use super::{http3_gateway, tls_relay};

/// The time after which a test fails because something is missing. No test measures it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for a future that must become ready.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come within {PATIENCE:?}"),
    }
}

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: ShutdownHandle,
    pub(crate) end: JoinHandle<std::io::Result<()>>,
}

/// Runs an app on a port that the system chooses.
pub(crate) async fn run(map: impl FnOnce(&mut App)) -> Running {
    let mut app = App::new();
    map(&mut app);
    run_app(app).await
}

/// Runs an app with settings on a port that the system chooses.
pub(crate) async fn run_app(app: App) -> Running {
    if is_over_http3() {
        return run_over_http3(app).await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (mut app, shutdown) = app.without_greeter().with_shutdown();
    let mut to_connect = address;
    if tls_relay::is_on() {
        let (certificate, key) = tls_relay::pem();
        app = app.with_tls(Tls::pem(certificate, key));
        to_connect = tls_relay::relay(address).await;
    }
    let end = tokio::spawn(app.run_with_listener(listener));
    Running { address: to_connect, shutdown, end }
}

/// Whether the requests of this run of the tests come over HTTP/3.
pub(crate) fn is_over_http3() -> bool {
    std::env::var_os("VOLGA_TEST_HTTP3").is_some()
}

/// Runs an app whose requests come over HTTP/3, through a gateway.
async fn run_over_http3(app: App) -> Running {
    let (certificate, key) = tls_relay::pem();
    let app = app.bind("127.0.0.1:0").with_tls(Tls::pem(certificate, key)).with_http3();
    let (app, shutdown) = app.without_greeter().with_shutdown();
    let app = app.listen().await.unwrap();
    let gateway = http3_gateway::start(app.addresses()[0].tcp().unwrap(), certificate).await;
    let address = gateway.address;
    let end = tokio::spawn(async move {
        let _gateway = gateway;
        app.run().await
    });
    Running { address, shutdown, end }
}

/// Sends a request with this first line over HTTP/1.1.
pub(crate) async fn send(address: SocketAddr, line: &str) -> TcpStream {
    let mut stream = soon("the connection", TcpStream::connect(address)).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nhost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Reads until this text has arrived, and returns everything that was read.
pub(crate) async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut read = Vec::new();
    let reading = async {
        loop {
            let so_far = String::from_utf8_lossy(&read).into_owned();
            if so_far.contains(text) {
                return so_far;
            }
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(count > 0, "the end came before {text:?}: {so_far:?}");
            read.extend_from_slice(&buffer[..count]);
        }
    };
    soon(text, reading).await
}

/// Reads to the end of the connection.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    read_to_end_of(stream).await
}

/// Reads to the end of a connection of any kind.
pub(crate) async fn read_to_end_of(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    // A reset is an end, too. The bytes before it count.
    let _ = soon("the end", stream.read_to_end(&mut read)).await;
    String::from_utf8_lossy(&read).into_owned()
}

/// Sends one request on a connection that is closed after it.
pub(crate) async fn ask(address: SocketAddr, line: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    read_to_end(&mut stream).await
}

/// Opens an HTTP/2 connection.
pub(crate) async fn http2(address: SocketAddr) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = soon("HTTP/2", h2::client::handshake(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Sends a GET over HTTP/2, and returns the response.
pub(crate) async fn get2(
    client: &h2::client::SendRequest<Bytes>,
    path: &str,
) -> http::Response<h2::RecvStream> {
    let mut client = soon("a free stream", client.clone().ready()).await.unwrap();
    let request = http::Request::get(format!("http://test{path}")).body(()).unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    soon("the response", response).await.unwrap()
}

/// Returns the next bytes of a body over HTTP/2, or `None` at its proper end.
pub(crate) async fn data2(body: &mut h2::RecvStream) -> Option<Result<String, h2::Error>> {
    let chunk = soon("data", body.data()).await?;
    Some(chunk.map(|bytes| {
        let _ = body.flow_control().release_capacity(bytes.len());
        String::from_utf8_lossy(&bytes).into_owned()
    }))
}

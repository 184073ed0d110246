//! `TestClient`: an app, in process or behind a socket.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{Arc, Mutex, PoisonError},
};

use http::{Method, header};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tower_service::Service;
use volga_core::{HttpBody, HttpRequest, HttpResponse};
use volga_http::ConnectionInfo;

use crate::app::App;
use crate::connection_service::ConnectionService;
use crate::test::cookies::Cookies;
use crate::test::request::TestRequest;
use crate::test::response::TestResponse;
use crate::test::wire;

/// The addresses of a connection in process.
const IN_PROCESS_SERVER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7878));
const IN_PROCESS_CLIENT: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 50_000));

/// A client of one app, for tests. See [the module](super).
///
/// It keeps cookies by name and value from one request to the next. It ignores their paths, domains
/// and times, except that `Max-Age=0` deletes a cookie.
pub struct TestClient {
    transport: Transport,
    cookies: Mutex<Cookies>,
}

enum Transport {
    InProcess(ConnectionService),
    Socket { address: SocketAddr, server: JoinHandle<()> },
}

impl TestClient {
    /// Creates a client that calls the app in process, without a socket. The app's settings of the
    /// server have no effect then.
    ///
    /// The app sees the same request as over a socket: HTTP/1.1, with `host`, and with
    /// `content-length` or `transfer-encoding` if there is a body. The server's address, and so the
    /// host, is `127.0.0.1:7878` unless you set another `host`. The client's address is
    /// `127.0.0.1:50000`.
    ///
    /// # Panics
    ///
    /// Panics if the app has [errors](App::check).
    #[must_use]
    #[track_caller]
    pub fn new(app: App) -> Self {
        match app.into_service() {
            Ok(service) => {
                let info = ConnectionInfo::new();
                let info = info.with_peer(IN_PROCESS_CLIENT).with_local(IN_PROCESS_SERVER);
                Self::with(Transport::InProcess(ConnectionService::new(service, info)))
            }
            Err(faults) => panic!("{faults}"),
        }
    }

    /// Serves the app on a port that the system chooses, and creates a client that speaks HTTP/1.1
    /// to it, with a new connection for each request. The server ends when the client is dropped.
    ///
    /// # Panics
    ///
    /// Panics if the app has [errors](App::check), or if no port is free.
    pub async fn serve(app: App) -> Self {
        if let Err(faults) = app.check() {
            panic!("{faults}");
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let server = tokio::spawn(async move {
            let ended = app.without_greeter().run_with_listener(listener).await;
            ended.expect("the server ends in order");
        });
        Self::with(Transport::Socket { address, server })
    }

    fn with(transport: Transport) -> Self {
        Self { transport, cookies: Mutex::default() }
    }

    /// The address of the server, or `None` in process.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match self.transport {
            Transport::InProcess(_) => None,
            Transport::Socket { address, .. } => Some(address),
        }
    }

    /// Starts a GET request. `path` begins with a slash and may have a query, or it is a whole URL.
    ///
    /// # Panics
    ///
    /// Panics if no client would send such a path. The message says what to write. The other methods
    /// that start a request panic likewise.
    #[track_caller]
    pub fn get(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::GET, path)
    }

    /// Starts a POST request.
    #[track_caller]
    pub fn post(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::POST, path)
    }

    /// Starts a PUT request.
    #[track_caller]
    pub fn put(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::PUT, path)
    }

    /// Starts a PATCH request.
    #[track_caller]
    pub fn patch(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::PATCH, path)
    }

    /// Starts a DELETE request.
    #[track_caller]
    pub fn delete(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::DELETE, path)
    }

    /// Starts a HEAD request.
    #[track_caller]
    pub fn head(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::HEAD, path)
    }

    /// Starts a request with any method. OPTIONS may have the path `*`, and CONNECT a host with a
    /// port.
    #[track_caller]
    pub fn request(&self, method: Method, path: &str) -> TestRequest<'_> {
        TestRequest::new(self, method, path)
    }

    pub(super) async fn send(&self, mut request: HttpRequest) -> TestResponse {
        let request_line = format!("{} {}", request.method(), request.uri());
        if let Some(cookies) = self.cookies().header() {
            request.headers_mut().entry(header::COOKIE).or_insert(cookies);
        }
        let server = self.address().unwrap_or(IN_PROCESS_SERVER);
        if let Err(advice) = wire::complete(&mut request, &server.to_string()) {
            panic!("{request_line}: {advice}");
        }
        let response = match &self.transport {
            Transport::InProcess(service) => {
                let Ok(response) = service.clone().call(request).await;
                response
            }
            Transport::Socket { address, .. } => match over_socket(*address, request).await {
                Ok(response) => response,
                Err(error) => panic!("{request_line}: {error}"),
            },
        };
        self.cookies().store(response.headers());
        TestResponse::read(request_line, response).await
    }

    fn cookies(&self) -> std::sync::MutexGuard<'_, Cookies> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TestClient {
    fn drop(&mut self) {
        if let Transport::Socket { server, .. } = &self.transport {
            server.abort();
        }
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient").field("address", &self.address()).finish_non_exhaustive()
    }
}

/// Ends the connection of a response together with its body.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn over_socket(
    address: SocketAddr,
    request: HttpRequest,
) -> Result<HttpResponse, volga_core::BoxError> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, driver) =
        hyper::client::conn::http1::handshake::<_, HttpBody>(TokioIo::new(stream)).await?;
    let connection = Arc::new(Connection(tokio::spawn(async {
        // An error of the connection is also an error of the response or its body.
        let _ = driver.await;
    })));
    let response = sender.send_request(request).await?;
    Ok(response.map(|body| {
        HttpBody::new(super::response::GuardedBody { body, _guard: (connection, sender) })
    }))
}

//! `TestClient`: an app, in process or behind a socket.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use http::{HeaderValue, Method, header};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use volga_core::{HttpBody, HttpRequest, HttpResponse, RouterService};
use volga_http::ConnectionInfo;

use crate::app::App;
use crate::test::cookies::Cookies;
use crate::test::request::TestRequest;
use crate::test::response::TestResponse;

/// A client of one app, for tests. See [the module](super).
///
/// It keeps cookies by name and value from one request to the next. It ignores their paths, domains
/// and times, except that `Max-Age=0` deletes a cookie.
pub struct TestClient {
    transport: Transport,
    cookies: Mutex<Cookies>,
}

enum Transport {
    InProcess(RouterService),
    Socket { address: SocketAddr, server: JoinHandle<()> },
}

impl TestClient {
    /// Creates a client that calls the app in process, without a socket. The app's settings of the
    /// server have no effect then. The address of the client is `127.0.0.1:0`.
    ///
    /// # Panics
    ///
    /// Panics if the app has [errors](App::check).
    #[must_use]
    #[track_caller]
    pub fn new(app: App) -> Self {
        match app.into_service() {
            Ok(service) => Self::with(Transport::InProcess(service)),
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

    /// Starts a GET request.
    pub fn get(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::GET, path)
    }

    /// Starts a POST request.
    pub fn post(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::POST, path)
    }

    /// Starts a PUT request.
    pub fn put(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::PUT, path)
    }

    /// Starts a PATCH request.
    pub fn patch(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::PATCH, path)
    }

    /// Starts a DELETE request.
    pub fn delete(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::DELETE, path)
    }

    /// Starts a HEAD request.
    pub fn head(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::HEAD, path)
    }

    /// Starts a request with any method. The path may have a query.
    pub fn request(&self, method: Method, path: &str) -> TestRequest<'_> {
        TestRequest::new(self, method, path)
    }

    pub(super) async fn send(&self, mut request: HttpRequest) -> TestResponse {
        let request_line = format!("{} {}", request.method(), request.uri());
        if let Some(cookies) = self.cookies().header() {
            request.headers_mut().entry(header::COOKIE).or_insert(cookies);
        }
        let response = match &self.transport {
            Transport::InProcess(service) => {
                // A request in process has no connection, but handlers may ask for an address.
                let info = ConnectionInfo::new().with_peer(([127, 0, 0, 1], 0).into());
                request.extensions_mut().insert(info);
                service.respond(request).await
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
    mut request: HttpRequest,
) -> Result<HttpResponse, volga_core::BoxError> {
    let host = HeaderValue::from_str(&address.to_string())?;
    request.headers_mut().entry(header::HOST).or_insert(host);
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

//! `TestClient`: the app, and how it is reached.

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

use super::{TestRequest, TestResponse, cookies::Cookies};
use crate::App;

/// A client of one app, for tests; see [the module](super).
///
/// It keeps cookies by name and value from one request to the next; their paths, domains and times
/// are ignored, but that `Max-Age=0` forgets one.
pub struct TestClient {
    reach: Reach,
    cookies: Mutex<Cookies>,
}

enum Reach {
    InProcess(RouterService),
    Socket { address: SocketAddr, server: JoinHandle<()> },
}

impl TestClient {
    /// Calls the app in process, without a socket. The app's settings for the server have no effect
    /// then; the client's address is `127.0.0.1:0`.
    ///
    /// # Panics
    ///
    /// The app has [faults](App::check).
    #[must_use]
    #[track_caller]
    pub fn new(app: App) -> Self {
        match app.into_service() {
            Ok(service) => Self::with(Reach::InProcess(service)),
            Err(faults) => panic!("{faults}"),
        }
    }

    /// Serves the app on a port that the system chooses, and speaks HTTP/1.1 to it: a new
    /// connection for each request. The server ends with the client.
    ///
    /// # Panics
    ///
    /// The app has [faults](App::check), or the machine gives no port.
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
        Self::with(Reach::Socket { address, server })
    }

    fn with(reach: Reach) -> Self {
        Self { reach, cookies: Mutex::default() }
    }

    /// The address of the server; `None` in process.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match self.reach {
            Reach::InProcess(_) => None,
            Reach::Socket { address, .. } => Some(address),
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
        let asked = format!("{} {}", request.method(), request.uri());
        if let Some(cookies) = self.cookies().header() {
            request.headers_mut().entry(header::COOKIE).or_insert(cookies);
        }
        let response = match &self.reach {
            Reach::InProcess(service) => {
                // Without a connection it has no address, and handlers may ask for one.
                let info = ConnectionInfo::new().with_peer(([127, 0, 0, 1], 0).into());
                request.extensions_mut().insert(info);
                service.respond(request).await
            }
            Reach::Socket { address, .. } => match over_socket(*address, request).await {
                Ok(response) => response,
                Err(error) => panic!("{asked}: {error}"),
            },
        };
        self.cookies().learn(response.headers());
        TestResponse::read(asked, response).await
    }

    fn cookies(&self) -> std::sync::MutexGuard<'_, Cookies> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TestClient {
    fn drop(&mut self) {
        if let Reach::Socket { server, .. } = &self.reach {
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
        // What goes wrong, the response or its body tells.
        let _ = driver.await;
    })));
    let response = sender.send_request(request).await?;
    Ok(response
        .map(|body| HttpBody::new(super::response::Held { body, _held: (connection, sender) })))
}

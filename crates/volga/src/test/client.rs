//! `TestClient`: an app, in process or behind a socket.

use std::{fmt, net::SocketAddr, sync::Arc};

use http::Method;
use tokio::net::TcpListener;

use crate::app::App;
use crate::background::running::{ReadyTasks, RunningTasks};
use crate::test::request::TestRequest;
use crate::test::transport::Transport;

/// A client of one app, for tests. See [the module](super).
///
/// It keeps cookies by name and value from one request to the next. It ignores their paths, domains
/// and times, except that `Max-Age=0` deletes a cookie.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use volga::{App, Text, ok, test::TestClient};
///
/// fn app() -> App {
///     let mut app = App::new();
///     app.map_get("/users/{id}", async |id: u32| ok!("user {id}"));
///     app.map_delete("/users/{id}", async |_: u32| ok!("deleted"));
///     app.map_patch("/users/{id}", async |id: u32, Text(name): Text| ok!("{id} is {name}"));
///     app
/// }
///
/// let client = TestClient::new(app());
/// assert_eq!(client.get("/users/7").send().await.text().await, "user 7");
/// client.head("/users/7").send().await.assert_status(200);
/// client.patch("/users/7").body("Anna").send().await.assert_status(200);
/// client.delete("/users/7").send().await.assert_status(200);
///
/// // The same over a socket.
/// let client = TestClient::serve(app()).await;
/// assert!(client.address().is_some());
/// client.get("/users/seven").send().await.assert_status(400);
/// # }
/// ```
pub struct TestClient {
    transport: Transport,
    /// The background tasks of an app in process. They are dropped with the app's last client.
    background: Arc<RunningTasks>,
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
    /// The app's [background tasks](App::add_background_task) start, and are dropped with the
    /// client and its [other users](Self::another_user). The app's
    /// [shutdown handle](App::with_shutdown) tells them to end.
    ///
    /// # Panics
    ///
    /// Panics if the app has [errors](App::check), or has background tasks outside of a tokio
    /// runtime.
    #[must_use]
    #[track_caller]
    pub fn new(app: App) -> Self {
        if !ReadyTasks::can_start(&app.background) {
            panic!(
                "the app has background tasks, which need a tokio runtime: create the client in a \
                 `#[tokio::test]`"
            );
        }
        match app.into_service_and_tasks() {
            Ok((service, tasks)) => {
                let transport = Transport::in_process(service);
                Self { transport, background: Arc::new(tasks.start()) }
            }
            Err(faults) => panic!("{faults}"),
        }
    }

    /// Serves the app on a port that the system chooses, and creates a client that speaks HTTP/1.1
    /// to it, with a new connection for each request. The server ends when the client is dropped,
    /// and its [other users](Self::another_user) are, too.
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
        Self { transport: Transport::socket(address, server), background: Arc::default() }
    }

    /// Creates another client of the same app, without the cookies of this one: a second user.
    ///
    /// The app's background tasks, or its server, end with the last of its clients.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use volga::{App, http::HeaderMap, ok, test::TestClient};
    ///
    /// let mut app = App::new();
    /// app.map_post("/login/{name}", async |name: String| {
    ///     ok!("welcome"; [("set-cookie", format!("name={name}"))])
    /// });
    /// app.map_get("/me", async |headers: HeaderMap| {
    ///     ok!("{}", headers.get("cookie").map_or("nobody", |it| it.to_str().unwrap_or("?")))
    /// });
    ///
    /// let anna = TestClient::new(app);
    /// anna.post("/login/anna").send().await.assert_status(200);
    /// let ben = anna.another_user();
    /// assert_eq!(ben.get("/me").send().await.text().await, "nobody");
    /// ben.post("/login/ben").send().await.assert_status(200);
    /// assert_eq!(anna.get("/me").send().await.text().await, "name=anna");
    /// assert_eq!(ben.get("/me").send().await.text().await, "name=ben");
    /// # }
    /// ```
    #[must_use]
    pub fn another_user(&self) -> Self {
        Self { transport: self.transport.without_cookies(), background: self.background.clone() }
    }

    /// The address of the server, or `None` in process.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.transport.address()
    }

    /// Starts a GET request. `path` begins with a slash and may have a query, or it is a whole URL.
    ///
    /// # Panics
    ///
    /// Panics if no client would send such a path. The message says what to write. The other
    /// methods that start a request panic likewise.
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
        TestRequest::new(&self.transport, method, path)
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient").field("address", &self.address()).finish_non_exhaustive()
    }
}

//! `Transport`: sends requests to an app, in process or over a socket.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::header;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinHandle};
use tower_service::Service;
use volga_core::{HttpBody, HttpRequest, HttpResponse, RouterService};
use volga_http::ConnectionInfo;

use crate::connection_service::ConnectionService;
use crate::test::cookies::Cookies;
use crate::test::response::{GuardedBody, TestResponse};
use crate::test::wire;

/// The addresses of a connection in process.
const IN_PROCESS_SERVER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7878));
const IN_PROCESS_CLIENT: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 50_000));

/// The way of a client's requests to its app, and the client's cookies.
pub(super) struct Transport {
    server: Arc<TestServer>,
    cookies: Mutex<Cookies>,
}

enum TestServer {
    InProcess(ConnectionService),
    Socket { address: SocketAddr, task: JoinHandle<()> },
}

impl Transport {
    pub(super) fn in_process(service: RouterService) -> Self {
        let info = ConnectionInfo::new().with_peer(IN_PROCESS_CLIENT).with_local(IN_PROCESS_SERVER);
        Self::to(TestServer::InProcess(ConnectionService::new(&service, info)))
    }

    /// Sends requests to this address. The task is the server, which ends with its last client.
    pub(super) fn socket(address: SocketAddr, task: JoinHandle<()>) -> Self {
        Self::to(TestServer::Socket { address, task })
    }

    fn to(server: TestServer) -> Self {
        Self { server: Arc::new(server), cookies: Mutex::default() }
    }

    /// Sends requests to the same server, without the cookies.
    pub(super) fn without_cookies(&self) -> Self {
        Self { server: self.server.clone(), cookies: Mutex::default() }
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        match *self.server {
            TestServer::InProcess(_) => None,
            TestServer::Socket { address, .. } => Some(address),
        }
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
        let response = match &*self.server {
            TestServer::InProcess(service) => {
                let Ok(response) = service.clone().call(request).await;
                response
            }
            TestServer::Socket { address, .. } => match over_socket(*address, request).await {
                Ok(response) => response,
                Err(error) => panic!("{request_line}: {error}"),
            },
        };
        self.cookies().store(response.headers());
        TestResponse::read(request_line, response).await
    }

    fn cookies(&self) -> MutexGuard<'_, Cookies> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Self::Socket { task, .. } = self {
            task.abort();
        }
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
    Ok(response.map(|body| HttpBody::new(GuardedBody { body, _guard: (connection, sender) })))
}

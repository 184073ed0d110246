//! `Http3Server`: accepts connections, serves them, and shuts down.

use std::io;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use quinn::crypto::rustls::HandshakeData;
use quinn::{Connecting, Connection, Incoming};
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use volga_http::limits::ABORT_GRACE;
use volga_http::protocol::{ConnectionPermit, Connections, ServerSettings};
use volga_http::{ConnectionInfo, DrainOutcome, HttpService, TlsInfo};

use crate::code::Code;
use crate::connection::{self, TaskToken, tracked};
use crate::limits::{MAX_QUIC_HANDSHAKES, QUIC_CLOSE_WAIT, QUIC_HANDSHAKES_BEFORE_RETRY};
use crate::listener::{Http3Listener, ListeningEndpoint};

/// Serves any tower service over HTTP/3.
///
/// It has the settings, the limits and the drain of a [`volga_http::Server`], except those that
/// concern TCP or another protocol. The [crate's page](crate) has an example.
#[derive(Clone, Debug)]
#[must_use = "a server does nothing before `serve_each`"]
pub struct Http3Server {
    settings: ServerSettings,
    has_webtransport: bool,
}

impl Http3Server {
    /// Creates a server with these settings.
    pub fn new(settings: ServerSettings) -> Self {
        Self { settings, has_webtransport: false }
    }

    /// Also accepts WebTransport sessions. Clients are told so, and the requests that open one have
    /// a [`WebTransportOffer`](crate::WebTransportOffer) as an extension.
    pub fn webtransport(mut self, is_on: bool) -> Self {
        self.has_webtransport = is_on;
        self
    }

    /// Accepts connections from all `listeners`, and responds to their requests with the service
    /// that `make` creates for each connection. Each request has a clone of it and a task of its
    /// own.
    ///
    /// When a client leaves or gives up a request, the server drops what runs for it: the service's
    /// future, or the response's body even while that waits. A panic of the service becomes a
    /// response with 500. After a panic of a response's body, its stream is reset.
    ///
    /// Once the drain starts, no more connections are accepted. Clients get GOAWAY, running
    /// requests continue, and a connection without requests is closed. When the deadline has
    /// passed, the rest is aborted, and the [`DrainOutcome`] says how many connections that were.
    ///
    /// # Errors
    ///
    /// Returns [`io::ErrorKind::InvalidInput`] if `listeners` is empty, or if the configuration of
    /// TLS cannot be used for QUIC. Nothing that clients or the network do is an error.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime with network and timer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts every connection, as soon as the runtime runs their tasks.
    pub async fn serve_each<S: HttpService>(
        self,
        listeners: impl IntoIterator<Item = Http3Listener>,
        make: impl FnMut(ConnectionInfo) -> S + Clone + Send + 'static,
    ) -> io::Result<DrainOutcome> {
        let start = |listener: Http3Listener| listener.start(&self.settings, self.has_webtransport);
        let endpoints: Vec<_> = listeners.into_iter().map(start).collect::<io::Result<_>>()?;
        if endpoints.is_empty() {
            let text = "no listener to serve; pass at least one";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        // A task of its own, because each new connection wakes it.
        let mut task = JoinSet::new();
        task.spawn(Acceptor::new(self.settings, self.has_webtransport, endpoints).run(make));
        match task.join_next().await {
            Some(Ok(drained)) => Ok(drained),
            Some(Err(error)) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(error) => Err(error.into()),
            },
            None => Err(io::ErrorKind::Interrupted.into()),
        }
    }
}

struct Acceptor {
    settings: Arc<ServerSettings>,
    has_webtransport: bool,
    endpoints: Vec<ListeningEndpoint>,
    connections: Connections,
    /// A clone for each handshake that runs.
    handshakes: Arc<()>,
    /// The connections. Dropping this aborts them.
    tasks: JoinSet<()>,
}

impl Acceptor {
    fn new(
        settings: ServerSettings,
        has_webtransport: bool,
        endpoints: Vec<ListeningEndpoint>,
    ) -> Self {
        let connections = settings.connections();
        Self {
            settings: Arc::new(settings),
            has_webtransport,
            endpoints,
            connections,
            handshakes: Arc::new(()),
            tasks: JoinSet::new(),
        }
    }

    async fn run<S: HttpService>(
        mut self,
        make: impl FnMut(ConnectionInfo) -> S + Clone + Send + 'static,
    ) -> DrainOutcome {
        let (token, mut tokens) = mpsc::channel(1);
        let mut accepting = JoinSet::new();
        let (send, mut arrived) = mpsc::channel(1);
        for endpoint in &self.endpoints {
            accepting.spawn(forward(endpoint.clone(), send.clone()));
        }
        drop(send);
        let mut started = pin!(self.settings.drain().clone().started());
        let mut deadline: Option<Instant> = None;
        let outcome = loop {
            if deadline.is_some() && self.tasks.is_empty() {
                break DrainOutcome::Complete;
            }
            tokio::select! {
                () = &mut started, if deadline.is_none() => {
                    deadline = Some(Instant::now() + self.settings.drain_deadline());
                }
                Some((incoming, endpoint)) = arrived.recv() => match deadline {
                    None => self.accept(incoming, &endpoint, make.clone(), &token),
                    // The client is told at once, so that it tries elsewhere.
                    Some(_) => incoming.refuse(),
                },
                Some(_) = self.tasks.join_next() => self.connections.note_closed(),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    break DrainOutcome::Incomplete { connections: self.tasks.len() };
                }
            }
        };
        drop((accepting, arrived));
        for listening in &self.endpoints {
            // This ends the connections that are left, before their tasks are aborted: so no client
            // takes the part of a response that it has for the whole.
            listening.endpoint.close(Code::INTERNAL_ERROR.into(), b"the server has ended");
        }
        drop((self.tasks, token));
        // The result does not depend on these waits.
        let _ = timeout(ABORT_GRACE, tokens.recv()).await;
        let closing = async {
            for listening in &self.endpoints {
                listening.endpoint.wait_idle().await;
            }
        };
        let _ = timeout(QUIC_CLOSE_WAIT, closing).await;
        outcome
    }

    /// Begins the handshake of a new connection, unless there are too many.
    fn accept<S: HttpService>(
        &mut self,
        incoming: Incoming,
        listening: &ListeningEndpoint,
        mut make: impl FnMut(ConnectionInfo) -> S + Send + 'static,
        token: &TaskToken,
    ) {
        let handshakes = Arc::strong_count(&self.handshakes) - 1;
        if handshakes >= QUIC_HANDSHAKES_BEFORE_RETRY && !incoming.remote_address_validated() {
            // A client that cannot receive at the address that it claims never comes back.
            let _ = incoming.retry();
            return;
        }
        let peer = incoming.remote_address();
        if handshakes >= MAX_QUIC_HANDSHAKES {
            return incoming.refuse();
        }
        let Some(permit) = self.connections.open(peer) else { return incoming.refuse() };
        let connecting = listening
            .certificates
            .current()
            .ok()
            .and_then(|config| incoming.accept_with(config).ok());
        let (handshake, settings) = (Arc::clone(&self.handshakes), Arc::clone(&self.settings));
        let has_webtransport = self.has_webtransport;
        let (port, task_token) = (listening.address.port(), token.clone());
        let serving = async move {
            let _permit: ConnectionPermit = permit;
            let Some(connecting) = connecting else { return };
            let Some(connection) = shake_hands(connecting, &settings).await else { return };
            drop(handshake);
            let service = make(info(&connection, port));
            connection::serve(connection, service, &settings, has_webtransport, task_token).await;
        };
        self.tasks.spawn(tracked(token.clone(), serving));
    }
}

/// Passes on the connections that arrive at an endpoint.
async fn forward(
    listening: ListeningEndpoint,
    arrived: mpsc::Sender<(Incoming, ListeningEndpoint)>,
) {
    while let Some(incoming) = listening.endpoint.accept().await {
        if arrived.send((incoming, listening.clone())).await.is_err() {
            return;
        }
    }
}

/// Does the handshake. `None` if it fails or takes too long.
async fn shake_hands(connecting: Connecting, settings: &ServerSettings) -> Option<Connection> {
    let drain_grace = async {
        settings.drain().started().await;
        tokio::time::sleep(settings.drain_grace()).await;
    };
    tokio::select! {
        connected = timeout(settings.handshake_timeout(), connecting) => connected.ok()?.ok(),
        () = drain_grace => None,
    }
}

/// The facts about the connection that each of its requests carries.
fn info(connection: &Connection, port: u16) -> ConnectionInfo {
    let mut tls = TlsInfo::default();
    tls.version = Some("TLSv1.3".into());
    let handshake = connection.handshake_data().and_then(|data| data.downcast().ok());
    if let Some(handshake) = handshake {
        let handshake: HandshakeData = *handshake;
        tls.alpn = handshake.protocol.map(Bytes::from);
        tls.server_name = handshake.server_name.map(Into::into);
    }
    let certificates = connection.peer_identity().and_then(|identity| identity.downcast().ok());
    if let Some(certificates) = certificates {
        let certificates: Vec<CertificateDer<'static>> = *certificates;
        tls.client_certificates =
            certificates.iter().map(|one| Bytes::copy_from_slice(one)).collect();
    }
    let info = ConnectionInfo::new().with_peer(connection.remote_address()).with_tls(tls);
    match connection.local_ip() {
        Some(ip) => info.with_local((ip, port).into()),
        None => info,
    }
}

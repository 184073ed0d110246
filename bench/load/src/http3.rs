//! Opens many event streams over HTTP/3, with the client of the crate `h3` on quinn. The client
//! allocates memory and takes CPU time, but only the server is measured.
//!
//! QUIC is not in the kernel: the client itself acknowledges what the server sends. So its tasks
//! have a thread of their own, which runs while a row waits for the server to come to rest. If the
//! client did not run then, the server would send its last packets again and again.

use std::{
    future::poll_fn,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Buf, Bytes};
use h3::client::{RequestStream, SendRequest};
use quinn::{ClientConfig, Endpoint, TransportConfig};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
    time::timeout,
};

use crate::{
    failure::Failure,
    streams::PATIENCE,
    tls::TlsListener,
    wire::{Event, Events, Malformed},
};

/// The number of connections that share a UDP socket. If all of them shared one, its buffer would
/// be too small for a message to each, and packets would be lost.
const CONNECTIONS_A_SOCKET: usize = 10;

/// After how much silence the client sends a PING. Servers do so earlier.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Takes an event of a stream. Returns whether the row may continue with it.
type OnEvent = dyn Fn(usize, Event<'_>) -> Result<bool, Malformed> + Send + Sync;
type Requests = SendRequest<h3_quinn::OpenStreams, Bytes>;

/// Streams in the order in which they were opened, the same number on each connection.
pub(crate) struct Http3Streams {
    runtime: Runtime,
    server: SocketAddr,
    path: &'static str,
    config: ClientConfig,
    streams_a_connection: usize,
    sockets: Vec<Endpoint>,
    connections: Vec<Requests>,
    count: usize,
    shared: Arc<Shared>,
}

/// The state that the tasks of all streams share.
struct Shared {
    on_event: Box<OnEvent>,
    ended: AtomicUsize,
    failure: Mutex<Option<Failure>>,
    progress: Notify,
}

impl Http3Streams {
    /// Creates an empty set of streams. `on_event` takes the events of all streams, and returns
    /// whether the condition of [`until`](Self::until) may have become true.
    pub(crate) fn of(
        listener: &TlsListener,
        path: &'static str,
        streams_a_connection: usize,
        on_event: impl Fn(usize, Event<'_>) -> Result<bool, Malformed> + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        let mut config = listener.quic_client()?;
        let mut transport = TransportConfig::default();
        transport.max_idle_timeout(None).keep_alive_interval(Some(KEEP_ALIVE));
        config.transport_config(transport.into());
        let shared = Arc::new(Shared {
            on_event: Box::new(on_event),
            ended: AtomicUsize::new(0),
            failure: Mutex::new(None),
            progress: Notify::new(),
        });
        Ok(Self {
            runtime: Builder::new_multi_thread().worker_threads(1).enable_all().build()?,
            server: listener.address,
            path,
            config,
            streams_a_connection,
            sockets: Vec::new(),
            connections: Vec::new(),
            count: 0,
            shared,
        })
    }

    /// Opens streams until there are `count` of them, and waits for the head of each response.
    pub(crate) fn open(&mut self, count: usize) -> Result<(), Failure> {
        let runtime = self.runtime.handle().clone();
        runtime.block_on(async {
            while self.count < count {
                if self.count == self.connections.len() * self.streams_a_connection {
                    let connection = self.connect().await?;
                    self.connections.push(connection);
                }
                let stream = timeout(PATIENCE, self.request()).await;
                let stream = stream.map_err(|_| Failure::new("no response over HTTP/3"))??;
                tokio::spawn(read(self.count, stream, Arc::clone(&self.shared)));
                self.count += 1;
            }
            self.check()
        })
    }

    /// Waits until the condition is true.
    ///
    /// # Errors
    ///
    /// Fails when a stream fails or ends, or when the condition is not true after [`PATIENCE`].
    pub(crate) fn until(&self, holds: impl Fn() -> bool) -> Result<(), Failure> {
        self.runtime.block_on(async {
            while !holds() {
                self.check()?;
                if timeout(PATIENCE, self.shared.progress.notified()).await.is_err() {
                    let text = format!("events are still missing after {PATIENCE:?}");
                    return Err(Failure::new(text));
                }
            }
            self.check()
        })
    }

    /// Returns the first failure of a stream, if there is one. A stream that has ended is one.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if let Some(failure) = &*self.shared.failure() {
            return Err(failure.clone());
        }
        match self.shared.ended.load(Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err(Failure::new("a stream ended by itself")),
        }
    }

    async fn connect(&mut self) -> Result<Requests, Failure> {
        if self.connections.len().is_multiple_of(CONNECTIONS_A_SOCKET) {
            self.sockets.push(Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?);
        }
        let socket = self.sockets.last().ok_or_else(|| Failure::new("no socket"))?;
        let connecting = socket
            .connect_with(self.config.clone(), self.server, TlsListener::NAME)
            .map_err(failure)?;
        let quic = timeout(PATIENCE, connecting).await;
        let quic = quic.map_err(|_| Failure::new("no handshake over QUIC"))?.map_err(failure)?;
        let (mut driver, requests) =
            h3::client::new(h3_quinn::Connection::new(quic)).await.map_err(failure)?;
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let error = poll_fn(|cx| driver.poll_close(cx)).await;
            shared.fail(failure(error));
        });
        Ok(requests)
    }

    /// Sends a request on the newest connection, and waits for the head of the response.
    async fn request(
        &mut self,
    ) -> Result<RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>, Failure> {
        let request = http::Request::get(format!("https://localhost{}", self.path))
            .header("accept", "text/event-stream")
            .body(())
            .map_err(failure)?;
        let requests = self.connections.last_mut().ok_or_else(|| Failure::new("no connection"))?;
        let mut stream = requests.send_request(request).await.map_err(failure)?;
        stream.finish().await.map_err(failure)?;
        let head = stream.recv_response().await.map_err(failure)?;
        match head.status().as_u16() {
            200 => Ok(stream),
            status => Err(Failure::new(format!("status {status}"))),
        }
    }
}

fn failure(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("HTTP/3: {error}"))
}

impl Shared {
    fn failure(&self) -> MutexGuard<'_, Option<Failure>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, failure: Failure) {
        self.failure().get_or_insert(failure);
        self.progress.notify_one();
    }
}

async fn read(
    number: usize,
    mut stream: RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>,
    shared: Arc<Shared>,
) {
    let mut events = Events::default();
    loop {
        let received = match stream.recv_data().await {
            Ok(Some(mut data)) => data.copy_to_bytes(data.remaining()),
            Ok(None) => break,
            Err(error) => return shared.fail(failure(error)),
        };
        let mut may_continue = false;
        let taken = events.feed(number, &received, &mut |number: usize, event: Event<'_>| {
            may_continue |= (shared.on_event)(number, event)?;
            Ok(())
        });
        if let Err(malformed) = taken {
            let failure = Failure::from(malformed);
            return shared.fail(Failure::new(format!("stream {number}: {failure}")));
        }
        if may_continue {
            shared.progress.notify_one();
        }
    }
    shared.ended.fetch_add(1, Ordering::Relaxed);
    shared.progress.notify_one();
}

//! Opens many event streams over HTTP/2, with the client of the `h2` crate. The client allocates
//! memory, but only the server is measured.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    net::SocketAddr,
    rc::Rc,
};

use bytes::Bytes;
use h2::{RecvStream, client};
use tokio::{sync::Notify, task, time::timeout};

use crate::{
    connect,
    failure::Failure,
    plan::STREAMS_A_CONNECTION,
    streams::PATIENCE,
    wire::{Event, Events, Malformed},
};

/// The flow-control windows of a stream and of a connection. Those of browsers are larger.
const WINDOW: u32 = 1024 * 1024;

/// How many small DATA frames the client accepts. With its default, the client would take a server
/// that sends each event in a frame of its own for an attacker, and close the connection.
const DATA_FRAME_BUDGET: usize = 1 << 30;

/// Runs the future on this thread, together with the tasks that it spawns, and then ends these
/// tasks.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    task::LocalSet::new().block_on(&runtime, future)
}

type OnEvent = dyn Fn(usize, Event<'_>) -> Result<(), Malformed>;

/// Streams in the order in which they were opened, [`STREAMS_A_CONNECTION`] on each connection. Use
/// them within [`block_on`] only.
pub(crate) struct Http2Streams {
    server: SocketAddr,
    path: String,
    connections: Vec<client::SendRequest<Bytes>>,
    count: usize,
    shared: Rc<Shared>,
}

/// The state that the tasks of all streams share.
struct Shared {
    on_event: Box<OnEvent>,
    ended: Cell<usize>,
    failure: RefCell<Option<Failure>>,
    progress: Notify,
}

impl Http2Streams {
    /// Creates an empty set of streams.
    pub(crate) fn of(
        server: SocketAddr,
        path: &str,
        on_event: impl Fn(usize, Event<'_>) -> Result<(), Malformed> + 'static,
    ) -> Self {
        let shared = Rc::new(Shared {
            on_event: Box::new(on_event),
            ended: Cell::new(0),
            failure: RefCell::new(None),
            progress: Notify::new(),
        });
        Self { server, path: path.to_owned(), connections: Vec::new(), count: 0, shared }
    }

    /// Opens streams until there are `count` of them, and waits for the head of each response.
    pub(crate) async fn open(&mut self, count: usize) -> Result<(), Failure> {
        while self.count < count {
            if self.count == self.connections.len() * STREAMS_A_CONNECTION {
                let connection = self.handshake().await?;
                self.connections.push(connection);
            }
            let last = self.connections.len() - 1;
            let end = count.min(self.connections.len() * STREAMS_A_CONNECTION);
            let mut heads = Vec::new();
            while self.count < end {
                heads.push((self.count, self.request(last).await?));
                self.count += 1;
            }
            for (number, head) in heads {
                let head = timeout(PATIENCE, head).await;
                let head = head.map_err(|_| Failure::new("no response over HTTP/2"))??;
                if head.status() != 200 {
                    return Err(Failure::new(format!("status {}", head.status())));
                }
                task::spawn_local(read(number, head.into_body(), Rc::clone(&self.shared)));
            }
        }
        self.check()
    }

    /// The number of streams that have ended properly. Any other end is a failure.
    pub(crate) fn ended(&self) -> usize {
        self.shared.ended.get()
    }

    /// Waits until the condition is true.
    ///
    /// # Errors
    ///
    /// Fails when a stream fails, or when no event comes for [`PATIENCE`].
    pub(crate) async fn until(&self, holds: impl Fn(&Self) -> bool) -> Result<(), Failure> {
        while !holds(self) {
            self.check()?;
            if timeout(PATIENCE, self.shared.progress.notified()).await.is_err() {
                return Err(Failure::new(format!(
                    "nothing came for {PATIENCE:?}: events are missing"
                )));
            }
        }
        self.check()
    }

    /// Returns the first failure of a stream, if there is one.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.shared.failure.borrow().clone().map_or(Ok(()), Err)
    }

    async fn handshake(&self) -> Result<client::SendRequest<Bytes>, Failure> {
        let socket = connect::connect(self.server, self.connections.len())?;
        socket.set_nonblocking(true)?;
        let socket = tokio::net::TcpStream::from_std(socket)?;
        let (sender, connection) = client::Builder::new()
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .data_frame_budget(DATA_FRAME_BUDGET)
            .handshake(socket)
            .await?;
        let shared = Rc::clone(&self.shared);
        task::spawn_local(async move {
            if let Err(error) = connection.await {
                shared.fail(error.into());
            }
        });
        Ok(sender)
    }

    async fn request(&self, connection: usize) -> Result<client::ResponseFuture, Failure> {
        let mut sender = self.connections[connection].clone().ready().await?;
        let request = http::Request::get(format!("http://bench{}", self.path))
            .header("accept", "text/event-stream")
            .body(())
            .map_err(|error| Failure::new(error.to_string()))?;
        Ok(sender.send_request(request, true)?.0)
    }
}

impl Shared {
    fn fail(&self, failure: Failure) {
        self.failure.borrow_mut().get_or_insert(failure);
        self.progress.notify_one();
    }
}

async fn read(number: usize, mut body: RecvStream, shared: Rc<Shared>) {
    let mut events = Events::default();
    while let Some(data) = body.data().await {
        let taken = data.map_err(Failure::from).and_then(|data| {
            body.flow_control().release_capacity(data.len())?;
            Ok(events.feed(number, &data, &mut |number: usize, event: Event<'_>| {
                (shared.on_event)(number, event)
            })?)
        });
        if let Err(failure) = taken {
            return shared.fail(Failure::new(format!("stream {number}: {failure}")));
        }
        shared.progress.notify_one();
    }
    shared.ended.set(shared.ended.get() + 1);
    shared.progress.notify_one();
}

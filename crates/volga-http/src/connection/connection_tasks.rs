//! The connections of a server: each is a series of stages, and each stage a task.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::connection::handshake::Handshake;
use crate::connection::info::ConnectionInfo;
use crate::connection::preface::Protocol;
use crate::connection::serve::Connections;
use crate::connection::task_tokens::Alive;
use crate::exchange::service::{HttpService, Requests};
use crate::http1::Next;
use crate::io::socket::Socket;
use crate::io::transport::Transport;

/// The running stages. Dropping it cuts all connections.
///
/// A stage's task ends with what comes next, which then is spawned here: so a connection is always
/// exactly one task of this set, and never larger than its stage.
pub(crate) struct ConnectionTasks<R, B> {
    tasks: JoinSet<Next<Socket, B>>,
    connections: Arc<Connections>,
    /// Makes what answers the requests of a connection.
    requests: R,
    alive: Alive,
}

impl<R, S> ConnectionTasks<R, S::ResponseBody>
where
    R: FnMut(ConnectionInfo) -> Requests<S>,
    S: HttpService,
{
    pub(crate) fn new(connections: Connections, requests: R, alive: Alive) -> Self {
        Self { tasks: JoinSet::new(), connections: Arc::new(connections), requests, alive }
    }

    /// Begins a connection, with its handshake if it has one.
    pub(crate) fn open(&mut self, io: Socket, info: ConnectionInfo, handshake: Option<Handshake>) {
        let Some(handshake) = handshake else { return self.serve(io, info) };
        let connections = Arc::clone(&self.connections);
        self.spawn(async move {
            match connections.shake(handshake, io, info).await {
                Some((io, info)) => Next::Serve(io, info),
                None => Next::Closed,
            }
        });
    }

    /// Lets a connection begin with its requests.
    fn serve(&mut self, io: Socket, info: ConnectionInfo) {
        let protocol = info.alpn().and_then(Protocol::from_alpn);
        let requests = (self.requests)(info);
        let connections = Arc::clone(&self.connections);
        self.spawn(async move { connections.serve(io, protocol, requests).await });
    }

    /// Waits for the end of a connection, and takes the others from stage to stage. `None` if there
    /// is no connection.
    ///
    /// Cancel safe: a stage that has ended is followed by the next one before this waits again.
    pub(crate) async fn closed(&mut self) -> Option<()> {
        loop {
            // A stage that panicked has closed its connection.
            let next = self.tasks.join_next().await?.unwrap_or(Next::Closed);
            if !self.go_on(next) {
                return Some(());
            }
        }
    }

    /// Begins the next stage, if there is one.
    fn go_on(&mut self, next: Next<Socket, S::ResponseBody>) -> bool {
        match next {
            Next::Closed => return false,
            Next::Serve(io, info) => self.serve(io, info),
            Next::Stream(stream) => self.spawn(*stream),
            Next::Requests(io, received) => return self.reopen(io, received),
            Next::Tunnel(running) => self.spawn(async move {
                running.await;
                Next::Closed
            }),
            Next::Linger(io) => {
                let connections = Arc::clone(&self.connections);
                self.spawn(async move {
                    connections.http1.linger(io).await;
                    Next::Closed
                });
            }
        }
        true
    }

    /// Lets a connection go on with its next request.
    fn reopen(&mut self, io: Socket, received: Bytes) -> bool {
        // Asked again, rather than kept in a stream that may wait for hours.
        let Ok(info) = io.info() else { return false };
        let requests = (self.requests)(info);
        let connections = Arc::clone(&self.connections);
        self.spawn(async move { connections.http1.serve(io, received, requests).await });
        true
    }

    fn spawn(
        &mut self,
        stage: impl Future<Output = Next<Socket, S::ResponseBody>> + Send + 'static,
    ) {
        self.tasks.spawn(self.alive.carried_by(stage));
    }
}

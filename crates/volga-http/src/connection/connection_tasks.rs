//! The connections of a server: each is a series of stages, and each stage a task.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::connection::handshake::Handshake;
use crate::connection::info::ConnectionInfo;
use crate::connection::preface::Protocol;
use crate::connection::serve::ConnectionContext;
use crate::connection::task_tracker::TaskToken;
use crate::exchange::service::{ConnectionService, HttpService};
use crate::http1::NextStage;
use crate::io::socket::Socket;
use crate::io::transport::Transport;

/// The running stages. Dropping it cuts all connections.
///
/// A stage's task ends with what comes next, which then is spawned here: so a connection is always
/// exactly one task of this set, and never larger than its stage.
pub(crate) struct ConnectionTasks<R, B> {
    tasks: JoinSet<NextStage<Socket, B>>,
    context: Arc<ConnectionContext>,
    /// Makes what answers the requests of a connection.
    requests: R,
    token: TaskToken,
}

impl<R, S> ConnectionTasks<R, S::ResponseBody>
where
    R: FnMut(ConnectionInfo) -> ConnectionService<S>,
    S: HttpService,
{
    pub(crate) fn new(context: ConnectionContext, requests: R, token: TaskToken) -> Self {
        Self { tasks: JoinSet::new(), context: Arc::new(context), requests, token }
    }

    /// Begins a connection, with its handshake if it has one.
    pub(crate) fn open(&mut self, io: Socket, info: ConnectionInfo, handshake: Option<Handshake>) {
        let Some(handshake) = handshake else { return self.serve(io, info) };
        let context = Arc::clone(&self.context);
        self.spawn(async move {
            match context.handshake(handshake, io, info).await {
                Some((io, info)) => NextStage::Serve(io, info),
                None => NextStage::Closed,
            }
        });
    }

    /// Lets a connection begin with its requests.
    fn serve(&mut self, io: Socket, info: ConnectionInfo) {
        let protocol = info.alpn().and_then(Protocol::from_alpn);
        let requests = (self.requests)(info);
        let context = Arc::clone(&self.context);
        self.spawn(async move { context.serve(io, protocol, requests).await });
    }

    /// Waits for the end of a connection, and takes the others from stage to stage. `None` if there
    /// is no connection.
    ///
    /// Cancel safe: a stage that has ended is followed by the next one before this waits again.
    pub(crate) async fn closed(&mut self) -> Option<()> {
        loop {
            // A stage that panicked has closed its connection.
            let next = self.tasks.join_next().await?.unwrap_or(NextStage::Closed);
            if !self.go_on(next) {
                return Some(());
            }
        }
    }

    /// Begins the next stage, if there is one.
    fn go_on(&mut self, next: NextStage<Socket, S::ResponseBody>) -> bool {
        match next {
            NextStage::Closed => return false,
            NextStage::Serve(io, info) => self.serve(io, info),
            NextStage::Stream(stream) => self.spawn(*stream),
            NextStage::Requests(io, received) => return self.reopen(io, received),
            NextStage::Tunnel(running) => self.spawn(async move {
                running.await;
                NextStage::Closed
            }),
            NextStage::Linger(io) => {
                let context = Arc::clone(&self.context);
                self.spawn(async move {
                    context.http1.linger(io).await;
                    NextStage::Closed
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
        let context = Arc::clone(&self.context);
        self.spawn(async move { context.http1.serve(io, received, requests).await });
        true
    }

    fn spawn(
        &mut self,
        stage: impl Future<Output = NextStage<Socket, S::ResponseBody>> + Send + 'static,
    ) {
        self.tasks.spawn(self.token.track(stage));
    }
}

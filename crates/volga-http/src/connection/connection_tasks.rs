//! The connections of a server. Each connection is a series of stages, and each stage is a task.

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

/// The running stages of all connections. Dropping this closes all connections.
///
/// The task of a stage returns the next stage, which is then spawned here. So a connection is
/// always exactly one task of this set, and that task is never larger than its stage needs.
pub(crate) struct ConnectionTasks<R, B> {
    tasks: JoinSet<NextStage<Socket, B>>,
    context: Arc<ConnectionContext>,
    /// Makes the service that responds to the requests of a connection.
    make_service: R,
    token: TaskToken,
}

impl<R, S> ConnectionTasks<R, S::ResponseBody>
where
    R: FnMut(ConnectionInfo) -> ConnectionService<S>,
    S: HttpService,
{
    pub(crate) fn new(context: ConnectionContext, make_service: R, token: TaskToken) -> Self {
        Self { tasks: JoinSet::new(), context: Arc::new(context), make_service, token }
    }

    /// Begins a connection, with a handshake if its listener has one.
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

    /// Begins to serve the requests of a connection.
    fn serve(&mut self, io: Socket, info: ConnectionInfo) {
        let protocol = info.alpn().and_then(Protocol::from_alpn);
        let service = (self.make_service)(info);
        let context = Arc::clone(&self.context);
        self.spawn(async move { context.serve(io, protocol, service).await });
    }

    /// Waits for the end of a connection, and moves the others from stage to stage. `None` if there
    /// is no connection.
    ///
    /// Cancel safe: a stage that has ended is followed by the next one before this waits again.
    pub(crate) async fn wait_for_end(&mut self) -> Option<()> {
        loop {
            // A stage that panicked has dropped its connection, which closes it.
            let next = self.tasks.join_next().await?.unwrap_or(NextStage::Closed);
            if !self.start_stage(next) {
                return Some(());
            }
        }
    }

    /// Begins the next stage. Returns false if the connection has ended.
    fn start_stage(&mut self, next: NextStage<Socket, S::ResponseBody>) -> bool {
        match next {
            NextStage::Closed => return false,
            NextStage::Serve(io, info) => self.serve(io, info),
            NextStage::Stream(stream) => self.spawn(*stream),
            NextStage::Requests(io, received) => return self.reopen(io, received),
            NextStage::Tunnel(running) => self.spawn(async move {
                running.await;
                NextStage::Closed
            }),
            NextStage::SendRest(io, unsent) => {
                let context = Arc::clone(&self.context);
                self.spawn(async move {
                    context.http1.send_rest(io, *unsent).await;
                    NextStage::Closed
                });
            }
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

    /// Continues a connection with its next request.
    fn reopen(&mut self, io: Socket, received: Bytes) -> bool {
        // Asked of the socket again, so that a stream that waits for hours need not hold it.
        let Ok(info) = io.info() else { return false };
        self.context.lift_unsent_limit(&io);
        let service = (self.make_service)(info);
        let context = Arc::clone(&self.context);
        self.spawn(async move { context.http1.serve(io, received, service).await });
        true
    }

    fn spawn(
        &mut self,
        stage: impl Future<Output = NextStage<Socket, S::ResponseBody>> + Send + 'static,
    ) {
        self.tasks.spawn(self.token.track(stage));
    }
}

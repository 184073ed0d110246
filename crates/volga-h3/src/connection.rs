//! The life of one connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, RecvStream, SendStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use volga_http::HttpService;
use volga_http::protocol::{ResetBudget, ServerSettings};

use crate::client_stream;
use crate::code::Code;
use crate::limits::{LONGEST_WAIT, QUIC_IDLE_TIMEOUT, SHORTEST_WAIT};
use crate::request::{self, RequestEnd};
use crate::request_stream::RequestStream;
use crate::response_stream::ResponseStream;
use crate::settings;
use crate::shared_connection::SharedConnection;
use crate::varint;
use crate::webtransport::table::SessionTable;

/// A token that each task of a server carries until its future is dropped.
pub(crate) type TaskToken = mpsc::Sender<Infallible>;

/// Which requests the connection still accepts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Open,
    /// The client knows that the connection ends. Requests that it has sent before it knew are
    /// accepted until then.
    Announced(Instant),
    /// No request is accepted any more.
    Closing,
}

/// Serves a connection to its end.
pub(crate) async fn serve<S: HttpService>(
    quic: Connection,
    service: S,
    settings: &ServerSettings,
    has_webtransport: bool,
    token: TaskToken,
) {
    let opening = timeout(settings.handshake_timeout(), open_control(&quic, has_webtransport));
    let Ok(Some(control)) = opening.await else {
        return quic.close(Code::CLOSED_CRITICAL_STREAM.into(), b"no control stream");
    };
    let sessions = has_webtransport.then(|| SessionTable::new(settings));
    let shared = Arc::new(SharedConnection::new(quic, settings.client_waits(), sessions));
    let driver = Driver {
        shared,
        service,
        control,
        write_limit: settings.drain_grace(),
        idle_timeout: QUIC_IDLE_TIMEOUT.min(3 * settings.header_read_timeout()),
        token,
        phase: Phase::Open,
        next_stream: 0,
        requests: JoinSet::new(),
        client_streams: JoinSet::new(),
        budget: ResetBudget::new(Instant::now()),
        responses: 0,
    };
    driver.run(settings.drain().started()).await;
}

/// Opens the server's control stream, and sends the settings on it.
async fn open_control(quic: &Connection, has_webtransport: bool) -> Option<SendStream> {
    let mut control = quic.open_uni().await.ok()?;
    control.write_all(&settings::control_stream_head(has_webtransport)).await.ok()?;
    Some(control)
}

struct Driver<S> {
    shared: Arc<SharedConnection>,
    service: S,
    control: SendStream,
    /// How long a frame of the control stream may wait for the client.
    write_limit: Duration,
    /// How long the connection may have no request.
    idle_timeout: Duration,
    token: TaskToken,
    phase: Phase,
    /// The ID of the first stream that was not accepted.
    next_stream: u64,
    /// The tasks end when this is dropped with the connection.
    requests: JoinSet<RequestEnd>,
    client_streams: JoinSet<Result<(), Code>>,
    budget: ResetBudget,
    /// How many responses have begun since the budget was last used.
    responses: usize,
}

impl<S: HttpService> Driver<S> {
    async fn run(mut self, draining: impl Future<Output = ()>) {
        let mut draining = std::pin::pin!(draining);
        let mut idle_since = Instant::now();
        let quic = self.shared.quic.clone();
        loop {
            if self.phase == Phase::Closing && self.requests.is_empty() {
                return quic.close(Code::NO_ERROR.into(), b"");
            }
            let wake = match self.phase {
                Phase::Open if self.requests.is_empty() => Some(idle_since + self.idle_timeout),
                Phase::Announced(until) => Some(until),
                Phase::Open | Phase::Closing => None,
            };
            let ended = tokio::select! {
                accepted = quic.accept_bi() => match accepted {
                    Ok((send, recv)) => {
                        self.accept(send, recv);
                        Ok(())
                    }
                    // The client has left, or its network.
                    Err(_) => return,
                },
                accepted = quic.accept_uni() => match accepted {
                    Ok(stream) => {
                        let reading = client_stream::read(stream, Arc::clone(&self.shared));
                        self.client_streams.spawn(tracked(self.token.clone(), reading));
                        Ok(())
                    }
                    Err(_) => return,
                },
                datagram = quic.read_datagram(), if self.shared.sessions.is_some() => {
                    match (datagram, &self.shared.sessions) {
                        (Ok(datagram), Some(sessions)) => sessions.add_datagram(datagram),
                        _ => return,
                    }
                }
                Some(ended) = self.requests.join_next() => {
                    idle_since = Instant::now();
                    // A panic when something of the request was dropped has ended it alone.
                    self.pay(ended.unwrap_or(RequestEnd::Responded))
                }
                Some(ended) = self.client_streams.join_next() => ended.unwrap_or(Ok(())),
                () = &mut draining, if self.phase == Phase::Open => {
                    self.announce_end().await;
                    Ok(())
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    match self.phase {
                        Phase::Open => self.announce_end().await,
                        Phase::Announced(_) | Phase::Closing => self.stop_accepting().await,
                    }
                    Ok(())
                }
            };
            if let Err(code) = ended {
                return quic.close(code.into(), b"");
            }
        }
    }

    /// Begins a request.
    fn accept(&mut self, send: SendStream, recv: RecvStream) {
        let sessions = self.shared.sessions.as_ref();
        let mut respond = ResponseStream::new(send);
        let mut request = RequestStream::new(recv, sessions.is_some());
        let shared = Arc::clone(&self.shared);
        if self.phase == Phase::Closing {
            if sessions.is_some_and(|sessions| !sessions.is_empty()) {
                // The stream may be one of a session that is still open.
                let serving = request::serve_late(respond, request, shared);
                self.requests.spawn(tracked(self.token.clone(), serving));
                return;
            }
            // The client may send it again on another connection: nothing was done for it.
            request.stop(Code::REQUEST_REJECTED);
            return respond.reset(Code::REQUEST_REJECTED);
        }
        self.next_stream = self.next_stream.max(request.id() + 4);
        let serving = request::serve(respond, request, self.service.clone(), shared);
        self.requests.spawn(tracked(self.token.clone(), serving));
    }

    /// Charges the budget for a request that the client has abandoned.
    fn pay(&mut self, end: RequestEnd) -> Result<(), Code> {
        let resets = match end {
            RequestEnd::Responded => {
                self.responses += 1;
                return Ok(());
            }
            RequestEnd::SessionStream => return Ok(()),
            RequestEnd::Abandoned => 1,
            RequestEnd::AbandonedEarly => volga_http::limits::RESET_WITHOUT_HANDLER,
        };
        let responses = std::mem::take(&mut self.responses);
        self.budget.pay(responses, resets, Instant::now()).map_err(|_| Code::EXCESSIVE_LOAD)
    }

    /// Tells the client that the connection ends, and lets it finish what it has sent already.
    async fn announce_end(&mut self) {
        self.send_goaway(varint::MAX - 3).await;
        // A request that the client sent before it knew arrives within a round trip.
        let wait = (2 * self.shared.quic.rtt()).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        self.phase = Phase::Announced(Instant::now() + wait);
    }

    /// Accepts no further request, and tells the client which ones were accepted.
    async fn stop_accepting(&mut self) {
        self.send_goaway(self.next_stream).await;
        self.phase = Phase::Closing;
    }

    async fn send_goaway(&mut self, stream: u64) {
        // A client that does not let the server send these few bytes is not waited for.
        let _ = timeout(self.write_limit, self.control.write_all(&settings::goaway(stream))).await;
    }
}

/// Lets a task carry a token until its future is dropped.
pub(crate) async fn tracked<T>(token: TaskToken, future: impl Future<Output = T>) -> T {
    let result = future.await;
    drop(token);
    result
}

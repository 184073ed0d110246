//! Drives one HTTP/2 connection. The `h2` library speaks the protocol.
//!
//! | module | idea |
//! |---|---|
//! | `request` | checks heads, as far as `h2` does not (pure) |
//! | `upload_window` | the window for uploads: how much the client may send |
//! | `request_task` | one request, in a task of its own |
//! | `send_body` | sends a body as DATA frames, as far as the windows allow |
//! | `backpressure` | how long a body may wait for its window |
//! | `long_lived`, `ready_set` | the long-lived bodies, all in the connection's task |
//! | `ping` | checks whether a silent client is still there |
//! | `padding_budget` | how much padding the client may send |
//! | `h2_transport` | the transport, as `h2` sees it |
//! | `h2_tunnel` | a stream as a byte stream |
//! | `direct` | the data path beside `h2` |

mod backpressure;
mod direct;
mod h2_transport;
mod h2_tunnel;
mod long_lived;
mod padding_budget;
mod ping;
mod ready_set;
mod request;
mod request_task;
mod send_body;
mod upload_window;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::request::Parts;
use http::{Method, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};

use self::backpressure::Backpressure;
use self::direct::windows::{RequestCounts, StreamRef};
use self::direct::write_buffer::SharedWriteBuffer;
use self::h2_transport::H2Transport;
use self::long_lived::LongLivedStreams;
use self::padding_budget::{PaddingBudget, PaddingError};
use self::ping::KeepAlive;
use self::ready_set::ReadySet;
use self::request_task::{RequestTask, TaskOutcome, TunnelEnds};
use crate::connection::settings::ConnectionSettings;
use crate::connection::task_tracker::TaskToken;
use crate::drain::client_timeouts::{ClientTimeouts, STALL_CHECK_INTERVAL};
use crate::exchange::date::date;
use crate::exchange::h2_body::H2Body;
use crate::exchange::request_body::RequestBody;
use crate::exchange::reset_budget::{BudgetError, ResetBudget};
use crate::exchange::response_fields;
use crate::exchange::service::{ConnectionService, HttpService, catch_panic};
use crate::io::linger::linger;
use crate::io::send_queue::SendQueue;
use crate::io::wake::{NextTurn, wake_after_sockets};
use crate::io::write_timeout::WriteTimeout;
use crate::limits::{
    CONNECTION_WINDOW, DEFERRED_TURNS, FRAME_BYTES, FRAMES_AT_ONCE, HEADS_AT_ONCE,
    LINGER_BYTES_AFTER_GOAWAY, LINGER_TIME, MAX_ACCEPTED_REQUESTS, MAX_DEFERRED_REQUESTS,
    MAX_ERROR_RESETS, MAX_HEAD_BYTES, MAX_PENDING_RESETS, MAX_REQUEST_TASKS, MAX_STREAMS,
    RESET_WITHOUT_HANDLER, ROUNDS_ALONE, ROUNDS_PER_TURN, SEND_BUFFER, STREAM_WINDOW,
    SUSPECT_TURN_FRAMES, TURN_FRAMES, TURN_REQUESTS,
};

/// Serves a connection to its end.
pub(crate) async fn serve<I, S>(
    io: I,
    service: ConnectionService<S>,
    settings: ConnectionSettings,
    timeouts: &ClientTimeouts,
    token: TaskToken,
) where
    I: AsyncRead + AsyncWrite + SendQueue + Unpin,
    S: HttpService,
{
    let io = WriteTimeout::new(io, timeouts.clone());
    let handshake = Http2Connection::handshake(io, service, settings, timeouts, token);
    // In a box, because it is larger than the connection that it returns.
    let Some(mut connection) = Box::pin(handshake).await else { return };
    let has_told_client = match connection.run().await {
        ConnectionEnd::Closed => false,
        ConnectionEnd::Refused => true,
        ConnectionEnd::Abuse => connection.go_away(Reason::ENHANCE_YOUR_CALM).await,
        ConnectionEnd::Idle => connection.go_away(Reason::NO_ERROR).await,
    };
    if has_told_client && let Some(io) = connection.into_io() {
        // If the socket were closed now, the kernel would reset it because of what the client still
        // sends, and the client might not read the GOAWAY frame.
        linger(io, LINGER_BYTES_AFTER_GOAWAY, timeouts).await;
    }
}

/// How a connection has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ConnectionEnd {
    /// The client has disconnected, or there is nothing to tell it.
    Closed,
    /// `h2` has ended the connection, and has written the GOAWAY frame that says why.
    Refused,
    /// The client abandons too many requests, or sends too much padding. The GOAWAY frame is still
    /// to be sent.
    Abuse,
    /// The drain ends a connection without streams. The last GOAWAY frame is still to be sent.
    Idle,
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .max_header_list_size(MAX_HEAD_BYTES)
        .max_concurrent_streams(MAX_STREAMS)
        .enable_connect_protocol()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_BYTES as u32)
        .max_send_buffer_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(Some(MAX_ERROR_RESETS));
    builder
}

/// A request that was accepted and whose handler was not called yet.
struct PendingRequest {
    head: Parts,
    body: RecvStream,
    respond: SendResponse<Bytes>,
}

struct Http2Connection<I, S: HttpService> {
    h2: h2::server::Connection<H2Transport<I>, Bytes>,
    transport: H2Transport<I>,
    write_buffer: SharedWriteBuffer,
    backpressure: Arc<Backpressure>,
    keep_alive: KeepAlive,
    service: ConnectionService<S>,
    /// Accepted requests whose handlers were not called yet, in the order of their streams.
    accepted: VecDeque<PendingRequest>,
    /// For how many turns the oldest of these requests has waited, because the client had sent more
    /// frames after it.
    deferred: usize,
    next_turn: NextTurn,
    /// How many pending requests were reset since the budget was last charged.
    resets_without_handler: usize,
    /// How many requests this turn has begun.
    begun: usize,
    /// A task for each request. The tasks end when this is dropped with the connection.
    tasks: JoinSet<TaskOutcome<S::ResponseBody>>,
    token: TaskToken,
    streams: LongLivedStreams<S::ResponseBody>,
    ready: Arc<ReadySet>,
    budget: ResetBudget,
    padding_budget: PaddingBudget,
    /// Before this moment, streams are not asked whether they have ended while the socket is full.
    next_cut: Option<Instant>,
    /// How many responses have begun since the budget was last used.
    responses: usize,
    /// Whether the kernel's unsent bytes need no limit any more.
    is_unsent_limited: bool,
    /// `h2` gets this waker instead of the task's own, because `h2` also wakes the task for changes
    /// that it makes itself while the task runs.
    h2_waker: Waker,
    settings: ConnectionSettings,
    timeouts: ClientTimeouts,
}

impl<I, S> Http2Connection<I, S>
where
    I: AsyncRead + AsyncWrite + SendQueue + Unpin,
    S: HttpService,
{
    /// Exchanges the prefaces. Returns `None` if the client sends something else, or too late.
    ///
    /// This is apart from [`run`](Self::run), because a future keeps room for each of its variables
    /// until it ends: the idle connection would hold 5 KB more.
    async fn handshake(
        io: I,
        service: ConnectionService<S>,
        settings: ConnectionSettings,
        timeouts: &ClientTimeouts,
        token: TaskToken,
    ) -> Option<Self> {
        let ready = Arc::new(ReadySet::default());
        let h2_waker = Waker::from(Arc::clone(&ready));
        let backpressure = Backpressure::new(timeouts.clone(), h2_waker.clone());
        let write_buffer = SharedWriteBuffer::new(settings.http2_direct_data);
        let transport = H2Transport::new(io, write_buffer.clone(), Arc::clone(&backpressure));
        let handshake = builder().handshake(transport.clone());
        let mut limit = pin!(timeouts.timer(settings.header_read_timeout));
        let handshaken = tokio::select! {
            biased;
            handshaken = handshake => handshaken,
            () = poll_fn(|cx| limit.as_mut().poll(cx)) => return None,
        };
        let Ok(mut h2) = handshaken else {
            // The client sent something else, such as a request of HTTP/1 after ALPN chose HTTP/2.
            if let Some(io) = transport.into_io() {
                linger(io, LINGER_BYTES_AFTER_GOAWAY, timeouts).await;
            }
            return None;
        };
        let pings = h2.ping_pong()?;
        let streams = LongLivedStreams::new(Arc::clone(&ready), Arc::clone(&backpressure));
        Some(Self {
            h2,
            transport,
            write_buffer,
            backpressure,
            keep_alive: KeepAlive::new(pings),
            service,
            accepted: VecDeque::new(),
            begun: 0,
            deferred: 0,
            next_turn: NextTurn::default(),
            resets_without_handler: 0,
            tasks: JoinSet::new(),
            token,
            streams,
            h2_waker,
            ready,
            budget: ResetBudget::new(Instant::now()),
            padding_budget: PaddingBudget::new(Instant::now()),
            next_cut: None,
            responses: 0,
            is_unsent_limited: settings.max_unsent_bytes.is_none(),
            settings,
            timeouts: timeouts.clone(),
        })
    }

    /// Serves requests until the connection ends.
    async fn run(&mut self) -> ConnectionEnd {
        let timeouts = self.timeouts.clone();
        let mut started = pin!(timeouts.drain().started());
        // Runs from the start of the drain.
        let mut grace: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|cx| {
            if grace.is_none() && started.as_mut().poll(cx).is_ready() {
                grace = Some(Box::pin(sleep(timeouts.grace())));
                self.h2.graceful_shutdown();
            }
            if let Poll::Ready(end) = self.poll(cx) {
                return Poll::Ready(end);
            }
            // `h2` ends a connection without streams once the client has acknowledged a PING. A
            // client that does not is not waited for.
            let is_over = grace.as_mut().is_some_and(|grace| grace.as_mut().poll(cx).is_ready());
            if is_over && self.is_idle() { Poll::Ready(ConnectionEnd::Idle) } else { Poll::Pending }
        })
        .await
    }

    /// Runs one turn: sends a frame of every ready stream, then begins the requests that have
    /// arrived, and writes once.
    ///
    /// Streams that become ready during the turn wait for the next one, so that the other tasks of
    /// the thread run first, above all the handlers. For the same reason a turn begins a limited
    /// number of requests, and reads a limited number of frames and bytes.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionEnd> {
        self.join(cx);
        if self.keep_alive.poll_dead(|| self.transport.last_received(), cx).is_ready() {
            // The client may still be listening.
            self.h2.abrupt_shutdown(Reason::NO_ERROR);
            let _ = self.h2.poll_closed(cx);
            return Poll::Ready(ConnectionEnd::Closed);
        }
        // While the socket accepts nothing, another frame would only wait in memory.
        if !self.backpressure.is_full() {
            self.serve_streams(cx);
        } else if self.next_cut.is_none_or(|next| next <= Instant::now()) {
            self.next_cut = Some(Instant::now() + STALL_CHECK_INTERVAL);
            self.streams.cut_ended();
        }
        let is_suspect = self.budget.is_low(self.responses);
        self.transport.start_turn(if is_suspect { SUSPECT_TURN_FRAMES } else { TURN_FRAMES });
        self.begun = 0;
        loop {
            self.transport.allow_heads(HEADS_AT_ONCE);
            self.ready.clear_connection();
            while let Poll::Ready(next) =
                self.h2.poll_accept(&mut Context::from_waker(&self.h2_waker))
            {
                match next {
                    Some(Ok((request, respond))) => self.accept(request, respond),
                    // `h2` has ended the connection, not the client or the network.
                    Some(Err(error)) if error.is_library() => {
                        return Poll::Ready(ConnectionEnd::Refused);
                    }
                    Some(Err(_)) | None => return Poll::Ready(ConnectionEnd::Closed),
                }
            }
            self.end(&self.transport.take_resets());
            let changes = self.write_buffer.take_changes();
            self.end(&changes.resets);
            self.streams.reopen(&changes.opened);
            let is_paid =
                self.pay(changes.request_counts).is_ok() && self.pay_for_padding().is_ok();
            if !is_paid || !self.can_pay_for_abandoned() {
                return Poll::Ready(ConnectionEnd::Abuse);
            }
            // Further requests stay in the socket while many wait. Otherwise all streams of the
            // connection would hold a head.
            let is_over = self.backpressure.is_full()
                || self.transport.is_turn_over()
                || self.accepted.len() >= MAX_ACCEPTED_REQUESTS;
            if !self.transport.has_stopped() || is_over {
                break;
            }
        }
        let has_more = self.transport.has_stopped() && !self.backpressure.is_full();
        if self.begin_requests(has_more) {
            // A task set that was empty before has not stored the waker.
            self.join(cx);
        }
        if let Poll::Ready(Err(_)) = self.transport.poll_send(cx) {
            return Poll::Ready(ConnectionEnd::Closed);
        }
        let may_begin = !self.accepted.is_empty() && self.tasks.len() < MAX_REQUEST_TASKS;
        if may_begin || self.transport.has_stopped() && !self.backpressure.is_full() {
            // The client has sent more than one turn reads, so another turn follows.
            wake_after_sockets(cx);
            return Poll::Pending;
        }
        let is_line_empty = self.streams.queue_len() == 0;
        if self.ready.wait_for_note(self.backpressure.is_full(), is_line_empty, cx) {
            self.next_turn.wake(cx);
        } else {
            self.next_turn.wait();
        }
        Poll::Pending
    }

    /// Begins accepted requests. Returns whether this turn has begun any.
    ///
    /// If the client has sent more than one turn reads, the newest requests wait for some turns,
    /// because their resets may be among the unread frames. So a client that opens and abandons
    /// streams in blocks causes few handlers to run.
    fn begin_requests(&mut self, has_more: bool) -> bool {
        let may_wait =
            if has_more && self.deferred < DEFERRED_TURNS { MAX_DEFERRED_REQUESTS } else { 0 };
        let mut has_begun_oldest = false;
        // The task of an abandoned request exists until it has run once more.
        while self.accepted.len() > may_wait
            && self.begun < TURN_REQUESTS
            && self.tasks.len() < MAX_REQUEST_TASKS
        {
            let Some(accepted) = self.accepted.pop_front() else { break };
            self.begin(accepted);
            has_begun_oldest = true;
        }
        if self.accepted.is_empty() {
            // A connection that has received many requests at once may be quiet for hours.
            self.accepted = VecDeque::new();
        }
        let oldest_waits = !self.accepted.is_empty() && !has_begun_oldest;
        self.deferred = if oldest_waits { self.deferred + 1 } else { 0 };
        self.begun > 0
    }

    /// Whether the connection has no stream, and nothing to write.
    fn is_idle(&self) -> bool {
        let has_streams =
            !self.accepted.is_empty() || !self.tasks.is_empty() || !self.streams.is_empty();
        !has_streams && !self.backpressure.is_full()
    }

    /// Drops the requests and the bodies of these streams, because one side has reset them.
    fn end(&mut self, resets: &[StreamRef]) {
        for stream in resets {
            let id = |accepted: &PendingRequest| accepted.respond.stream_id().as_u32();
            if let Ok(at) = self.accepted.binary_search_by_key(&stream.id, id) {
                self.accepted.remove(at);
                self.resets_without_handler += 1;
            }
        }
        self.streams.end(resets);
    }

    /// Charges the budget for abandoned requests.
    fn pay(&mut self, request_counts: RequestCounts) -> Result<(), BudgetError> {
        let RequestCounts { responses, resets } = request_counts;
        let without_handler = std::mem::take(&mut self.resets_without_handler);
        let resets = resets + without_handler * (RESET_WITHOUT_HANDLER - 1);
        if resets == 0 {
            self.responses += responses;
            return Ok(());
        }
        let responses = std::mem::take(&mut self.responses) + responses;
        self.budget.pay(responses, resets, Instant::now())
    }

    /// Whether the budget is enough for the requests that have arrived together with their resets.
    /// They are charged when they are read.
    fn can_pay_for_abandoned(&mut self) -> bool {
        match self.transport.take_abandoned() {
            0 => true,
            abandoned => self.budget.covers(
                self.responses,
                abandoned.saturating_mul(RESET_WITHOUT_HANDLER),
                Instant::now(),
            ),
        }
    }

    fn pay_for_padding(&mut self) -> Result<(), PaddingError> {
        match self.transport.take_padding() {
            0 => Ok(()),
            padding => self.padding_budget.pay(padding, Instant::now()),
        }
    }

    /// Drops all requests and bodies, and sends a GOAWAY frame that says why the connection ends.
    /// Returns whether it was sent.
    async fn go_away(&mut self, reason: Reason) -> bool {
        self.tasks = JoinSet::new();
        self.accepted = VecDeque::new();
        self.streams.clear();
        self.h2.abrupt_shutdown(reason);
        // The client may not be reading, and after abuse the server waits for it only for a short
        // time.
        timeout(LINGER_TIME, poll_fn(|cx| self.h2.poll_closed(cx))).await.is_ok()
    }

    /// The transport, once nothing else of the connection is left.
    fn into_io(self) -> Option<I> {
        let Self { h2, transport, .. } = self;
        drop(h2);
        transport.into_io()
    }

    /// Takes the responses of tasks that have ended.
    fn join(&mut self, cx: &mut Context<'_>) {
        let mut frames = 0;
        while let Poll::Ready(Some(ended)) = self.tasks.poll_join_next(cx) {
            match ended {
                Ok(TaskOutcome::LongLived(start)) => {
                    // This calls the body and may drop it. A panic there must not end the other
                    // streams.
                    let started = catch_panic(|| start.send_head());
                    if let Ok(Some(body)) = started {
                        self.limit_unsent();
                        self.streams.insert(body, &mut self.write_buffer.lock().windows);
                    }
                    frames += 1;
                    if frames % FRAMES_AT_ONCE == 0 {
                        self.pass_on();
                    }
                }
                Ok(TaskOutcome::Failed(body)) => {
                    // The next step of this body is the reset.
                    self.pass_on();
                    self.streams.insert(body, &mut self.write_buffer.lock().windows);
                }
                Ok(TaskOutcome::Nothing) | Err(_) => {}
            }
        }
        if frames % FRAMES_AT_ONCE > 0 {
            self.pass_on();
        }
    }

    /// Limits the bytes that the kernel holds unsent, from the first long-lived response on.
    fn limit_unsent(&mut self) {
        if !self.is_unsent_limited {
            self.is_unsent_limited = true;
            self.transport.limit_unsent(self.settings.max_unsent_bytes);
        }
    }

    /// Sends a frame of each ready stream, as long as the socket accepts them, and then further
    /// frames of the streams that have more.
    fn serve_streams(&mut self, cx: &mut Context<'_>) {
        self.streams.enqueue_ready();
        let is_alone = self.streams.queue_len() == 1;
        let rounds = if is_alone { ROUNDS_ALONE } else { ROUNDS_PER_TURN };
        for _ in 0..rounds {
            let mut waiting = self.streams.queue_len();
            while waiting > 0 {
                let served = self.streams.serve(waiting, &mut self.write_buffer.lock());
                self.pass_on();
                let is_full = self.write_buffer.lock().is_full();
                if served == 0 || is_full && self.transport.poll_send(cx).is_pending() {
                    // The turn is over, or the socket accepts nothing or is broken.
                    return;
                }
                waiting -= served;
            }
        }
    }

    /// Lets `h2` write the frames that it was given. `h2` keeps memory for as many frames as it
    /// ever held at once, so it must not hold many.
    fn pass_on(&mut self) {
        // The end of the connection shows when it is polled for requests.
        let _ = self.h2.poll_closed(&mut Context::from_waker(&self.h2_waker));
        self.write_buffer.lock().note_h2_flushed();
    }

    fn accept(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let (mut head, body) = request.into_parts();
        if let Err(status) = request::check(&mut head) {
            let mut response = Response::new(());
            *response.status_mut() = status;
            response_fields::complete(response.headers_mut(), date);
            // An error means that the client has disconnected.
            let _ = respond.send_response(response, true);
            return;
        }
        let accepted = PendingRequest { head, body, respond };
        if self.accepted.is_empty() && self.begun < HEADS_AT_ONCE {
            // In most cases no flood of frames follows, so the request begins at once.
            self.begin(accepted);
        } else {
            if self.accepted.capacity() == 0 {
                // Exactly as much as is ever needed. A queue that doubles would leave the blocks of
                // its smaller sizes behind, and a client that floods the server gives most
                // connections a queue.
                self.accepted.reserve_exact(MAX_ACCEPTED_REQUESTS + HEADS_AT_ONCE);
            }
            self.accepted.push_back(accepted);
        }
    }

    fn begin(&mut self, PendingRequest { head, body, respond }: PendingRequest) {
        self.begun += 1;
        let method = head.method.clone();
        let (body, tunnel) = if head.method == Method::CONNECT {
            let Self { timeouts, settings, .. } = self;
            let (drain, idle_timeout) = (timeouts.drain().clone(), settings.tunnel_idle_timeout);
            let ends = TunnelEnds { recv: body, drain, idle_timeout };
            (RequestBody::empty(), Some(Box::new(ends)))
        } else if body.is_end_stream() {
            (RequestBody::empty(), None)
        } else {
            let window = self.write_buffer.client_window();
            let limits = self.settings.body_limits;
            let body = H2Body::new(body, &head.headers, limits, self.timeouts.clone(), window);
            (RequestBody::h2(body), None)
        };
        let handler = self.service.oneshot(Request::from_parts(head, body));
        let task =
            RequestTask::new(handler, method, respond, Arc::clone(&self.backpressure), tunnel);
        self.tasks.spawn(self.token.track(task));
    }
}

#[cfg(test)]
mod abuse;
#[cfg(test)]
mod bursts;
#[cfg(test)]
mod closed_windows;
#[cfg(test)]
mod fairness;
#[cfg(test)]
mod flow;
#[cfg(test)]
mod padding;
#[cfg(test)]
mod rapid_resets;
#[cfg(test)]
mod resets;
#[cfg(test)]
mod tests;

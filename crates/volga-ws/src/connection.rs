//! `Connection`: moves frames between the client and the [state](SharedState) of the socket.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tungstenite::Error;

use crate::close::{CloseCode, CloseReason, SocketEnd};
use crate::decoder::{Decoded, Decoder};
use crate::out_queue::{FrameKind, OutQueue};
use crate::settings::WebSocketSettings;
use crate::shared_state::{SharedState, State};

/// The size of the read buffer. It is on the stack, so a quiet socket holds none.
const READ_BYTES: usize = 8 * 1024;

/// How often a connection reads in one turn. Then the other tasks of the thread run.
const READS_PER_TURN: usize = 16;

/// How far ahead the timer is set when nothing is due.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) struct Connection<IO> {
    io: IO,
    decoder: Decoder,
    shared: Arc<SharedState>,
    phase: Phase,
    step: Step,
    is_flushed: bool,
    timer: Pin<Box<Sleep>>,
    /// Whether the timer wakes this task at the next deadline, or before it.
    is_timer_set: bool,
    times: Times,
    /// How often the connection may still read in this turn. Zero when a read has found nothing.
    reads_left: usize,
    /// The time of this turn, if it was needed.
    time: Option<Instant>,
}

/// The part of the shared state that the connection has taken, so that it locks that state rarely.
#[derive(Default)]
struct Step {
    /// Frames that were taken from the queue and are not written yet.
    writing: OutQueue,
    may_read: bool,
    /// Whether a message was sent or received since the times were last checked.
    is_active: bool,
    /// Whether the application has something new to act upon in this turn.
    has_news: bool,
    /// Whether the connection waits for the client, for the application or for a time.
    is_waiting: bool,
}

/// The phase in the life of a socket.
enum Phase {
    Open,
    /// The server has closed, and waits for the close of the client.
    Closing {
        deadline: Instant,
        reason: CloseReason,
    },
    /// Both sides have closed. The last frames are written, and then the stream is closed.
    Ending {
        deadline: Instant,
        is_shut: bool,
    },
    Over,
}

struct Times {
    ping_interval: Duration,
    pong_timeout: Duration,
    idle_timeout: Duration,
    close_timeout: Duration,
    last_read: Instant,
    last_message: Instant,
    pinged: Option<Instant>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Connection<IO> {
    pub(crate) fn new(io: IO, shared: Arc<SharedState>, settings: &WebSocketSettings) -> Self {
        let now = Instant::now();
        let times = Times {
            ping_interval: settings.ping_interval,
            pong_timeout: settings.pong_timeout,
            idle_timeout: settings.idle_timeout,
            close_timeout: settings.close_timeout,
            last_read: now,
            last_message: now,
            pinged: None,
        };
        Self {
            io,
            decoder: Decoder::new(settings),
            shared,
            phase: Phase::Open,
            step: Step::default(),
            is_flushed: true,
            timer: Box::pin(sleep(FAR)),
            is_timer_set: false,
            times,
            reads_left: 0,
            time: None,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<SharedState> {
        &self.shared
    }

    /// Begins the time that the application has after the end of the connection.
    pub(crate) fn begin_grace(&mut self) {
        self.timer.as_mut().reset(self.times.close_deadline());
    }

    /// Ready when that time has passed.
    pub(crate) fn poll_grace(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().poll(cx)
    }

    /// Begins a turn of the task. [`poll`](Self::poll) may be called several times in one turn.
    pub(crate) fn begin_turn(&mut self, cx: &Context<'_>) {
        self.reads_left = READS_PER_TURN;
        self.time = None;
        let mut state = self.shared.lock();
        self.is_timer_set &= state.begin_turn(cx);
        let close = self.step.take(&mut state);
        drop(state);
        self.begin_close(close);
    }

    /// Writes and reads, as far as that is possible before the application acts. Ready when the
    /// connection is over.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.poll_write(cx) {
                Poll::Ready(Err(error)) => self.disconnect(&error),
                Poll::Ready(Ok(())) => self.poll_shut(cx),
                Poll::Pending => {}
            }
            if matches!(self.phase, Phase::Over) {
                return Poll::Ready(());
            }
            self.step.is_waiting = self.poll_read(cx).is_pending();
            // The application now sends its messages, and they are written before the next read.
            let is_its_turn = self.step.has_news && !matches!(self.phase, Phase::Over);
            if self.step.is_waiting || is_its_turn {
                return Poll::Pending;
            }
            self.begin_step();
        }
    }

    /// Takes whether the application has something new to act upon in this turn.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.step.has_news)
    }

    /// Whether only the application can give the connection more to do in this turn.
    pub(crate) fn is_waiting(&self) -> bool {
        self.step.is_waiting
    }

    /// Continues the turn after the application has acted. Returns whether there is more to do.
    pub(crate) fn continue_turn(&mut self) -> bool {
        let mut state = self.shared.lock();
        let has_work = state.end_turn() || !self.step.is_waiting;
        let close = self.step.take(&mut state);
        drop(state);
        self.begin_close(close);
        has_work
    }

    fn begin_step(&mut self) {
        let close = self.step.take(&mut self.shared.lock());
        self.begin_close(close);
    }

    /// Closes for this reason, if there is one.
    #[inline]
    fn begin_close(&mut self, reason: Option<CloseReason>) {
        if let Some(reason) = reason {
            self.close(reason);
            // The close frame is behind all others.
            self.step.take(&mut self.shared.lock());
        }
    }

    /// The time of this turn.
    fn time(&mut self) -> Instant {
        *self.time.get_or_insert_with(Instant::now)
    }

    /// Queues the close frame, because the application or the server wants to close.
    fn close(&mut self, reason: CloseReason) {
        self.send_close(&reason);
        if let Phase::Open = self.phase {
            let deadline = self.times.close_deadline();
            self.phase = Phase::Closing { deadline, reason };
            self.is_timer_set = false;
        }
    }

    fn send_close(&mut self, reason: &CloseReason) {
        let frame = self.decoder.close(reason);
        self.shared.lock().out.push_encoded(&frame);
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.step.writing.len() > 0 {
            let io = Pin::new(&mut self.io);
            let written = self.step.writing.write_with(|slices| match slices {
                [slice] => io.poll_write(cx, slice),
                slices => io.poll_write_vectored(cx, slices),
            });
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.step.writing.advance(written),
            }
            self.is_flushed = false;
            let mut state = self.shared.lock();
            state.record_written(self.step.writing.len());
            self.step.take_frames(&mut state);
        }
        if !self.is_flushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Closes the stream once everything is written.
    fn poll_shut(&mut self, cx: &mut Context<'_>) {
        let Phase::Ending { is_shut: is_shut @ false, .. } = &mut self.phase else { return };
        match Pin::new(&mut self.io).poll_shutdown(cx) {
            Poll::Ready(Ok(())) => *is_shut = true,
            Poll::Ready(Err(_)) => self.phase = Phase::Over,
            Poll::Pending => {}
        }
    }

    /// Reads once. Pending if nothing is there, or if nothing should be read.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.reads_left == 0 {
            return Poll::Pending;
        }
        if matches!(self.phase, Phase::Open) && !self.step.may_read {
            // A server that does not read sees no pong, so a missing pong proves nothing now.
            self.record_read();
            return Poll::Pending;
        }
        let mut space = [MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        let Poll::Ready(read) = Pin::new(&mut self.io).poll_read(cx, &mut buffer) else {
            self.reads_left = 0;
            return Poll::Pending;
        };
        self.reads_left -= 1;
        if self.reads_left == 0 {
            // There may be more to read, after the other tasks of this thread.
            cx.waker().wake_by_ref();
        }
        match read {
            Err(error) => self.disconnect(&error),
            Ok(()) if buffer.filled().is_empty() => self.finish(SocketEnd::Disconnected),
            Ok(()) => {
                self.record_read();
                if !matches!(self.phase, Phase::Ending { .. }) {
                    self.feed(buffer.filled());
                }
            }
        }
        Poll::Ready(())
    }

    fn record_read(&mut self) {
        self.times.last_read = self.time();
        if self.times.pinged.take().is_some() {
            // The next ping may be due before the pong was.
            self.is_timer_set = false;
        }
    }

    /// Takes bytes from the client.
    fn feed(&mut self, input: &[u8]) {
        let mut state = self.shared.lock();
        let decoded = self.decoder.decode(input, |message| state.receive(message));
        let Decoded { replies, close, error } = decoded;
        state.out.push_encoded(&replies);
        self.step.has_news |= state.take_news();
        drop(state);
        match (error, close) {
            (None, _) => {}
            (Some(_), Some(reason)) => self.begin_end(SocketEnd::ClosedByClient(reason)),
            (Some(error), None) => {
                let reason = refusal(&error);
                self.send_close(&reason);
                self.begin_end(SocketEnd::Refused(reason));
            }
        }
    }

    /// The socket has ended for the application. What is queued is still written.
    fn begin_end(&mut self, end: SocketEnd) {
        self.set_end(end);
        let deadline = self.times.close_deadline();
        self.phase = Phase::Ending { deadline, is_shut: false };
        self.is_timer_set = false;
    }

    /// The socket has ended, and nothing can be written.
    fn finish(&mut self, end: SocketEnd) {
        self.set_end(end);
        self.phase = Phase::Over;
    }

    fn disconnect(&mut self, error: &io::Error) {
        self.finish(match error.kind() {
            io::ErrorKind::TimedOut => SocketEnd::TimedOut,
            _ => SocketEnd::Disconnected,
        });
    }

    /// Records the end. If the server has closed first, its reason stays, whatever the client does
    /// after that.
    fn set_end(&mut self, end: SocketEnd) {
        let end = match &self.phase {
            Phase::Closing { reason, .. } => SocketEnd::ClosedByServer(reason.clone()),
            _ => end,
        };
        self.shared.lock().set_end(end);
    }

    /// Acts on timeouts that have passed, at the end of a turn. Ready when the connection is over.
    pub(crate) fn poll_times(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::take(&mut self.step.is_active) && self.times.has_idle_timeout() {
            self.times.last_message = self.time();
        }
        if self.is_timer_set && !self.timer.is_elapsed() && !matches!(self.phase, Phase::Over) {
            return Poll::Pending;
        }
        if self.is_timer_set && matches!(self.phase, Phase::Open) {
            // A task that forwards a subscription then looks at it, which lets the hub drop what
            // has expired.
            self.shared.lock().wake_watchers();
        }
        loop {
            let due = match &self.phase {
                Phase::Open => self.times.next(),
                Phase::Closing { deadline, .. } | Phase::Ending { deadline, .. } => Some(*deadline),
                Phase::Over => return Poll::Ready(()),
            };
            let Some(due) = due else { return Poll::Pending };
            // A deadline that has moved to a later time does not move the timer. When the timer
            // fires, this code compares the time with the deadline again.
            if due < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(due);
            }
            self.is_timer_set = self.timer.as_mut().poll(cx).is_pending();
            if self.is_timer_set {
                return Poll::Pending;
            }
            let now = Instant::now();
            if now < due {
                continue;
            }
            match &self.phase {
                Phase::Open if self.times.is_pong_missing(now) => {
                    self.finish(SocketEnd::TimedOut);
                }
                Phase::Open if self.times.is_idle(now) => {
                    let reason = CloseReason::new(CloseCode::NORMAL, "idle for too long");
                    self.shared.close(reason);
                    // The close frame is sent in the next turn.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Phase::Open => {
                    self.times.pinged = Some(now);
                    self.shared.lock().out.push(FrameKind::Ping, Bytes::new());
                    cx.waker().wake_by_ref();
                }
                Phase::Closing { .. } | Phase::Ending { .. } | Phase::Over => {
                    self.finish(SocketEnd::TimedOut);
                }
            }
        }
    }
}

impl Step {
    /// Takes what the application has done since it was last asked. Returns the reason with which
    /// it wants to close, once.
    fn take(&mut self, state: &mut State) -> Option<CloseReason> {
        let close = state.begin_step();
        self.is_active |= state.take_activity();
        self.take_frames(state);
        close
    }

    /// Takes the next frames, if those before are written.
    fn take_frames(&mut self, state: &mut State) {
        if self.writing.len() == 0 {
            state.take_frames(&mut self.writing);
        }
        self.has_news |= state.take_news();
        self.may_read = state.may_read();
    }
}

impl Times {
    fn has_idle_timeout(&self) -> bool {
        self.idle_timeout != Duration::MAX
    }

    fn close_deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.close_timeout).unwrap_or(now + FAR)
    }

    /// The time of the next action against a client that sends nothing: a ping, or the end.
    fn next(&self) -> Option<Instant> {
        let client = match self.pinged {
            Some(pinged) => pinged.checked_add(self.pong_timeout),
            None => self.last_read.checked_add(self.ping_interval),
        };
        let idle = self.last_message.checked_add(self.idle_timeout);
        client.into_iter().chain(idle).min()
    }

    fn is_pong_missing(&self, now: Instant) -> bool {
        let due = self.pinged.and_then(|pinged| pinged.checked_add(self.pong_timeout));
        due.is_some_and(|due| due <= now)
    }

    fn is_idle(&self, now: Instant) -> bool {
        self.last_message.checked_add(self.idle_timeout).is_some_and(|due| due <= now)
    }
}

/// The reason with which the server closes after an error of tungstenite.
fn refusal(error: &Error) -> CloseReason {
    let code = match error {
        Error::Utf8(_) => CloseCode::INVALID_DATA,
        Error::Capacity(_) => CloseCode::TOO_LARGE,
        _ => CloseCode::PROTOCOL_ERROR,
    };
    CloseReason::new(code, error.to_string())
}

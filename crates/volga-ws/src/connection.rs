//! `Connection`: moves frames between the client and the [state](SharedState) of the socket.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tungstenite::Error;
use tungstenite::protocol::{Role, WebSocketContext};

use crate::close::{CloseCode, CloseReason, SocketEnd};
use crate::message::{Message, Utf8Bytes};
use crate::out_queue::{FrameKind, advance, slices};
use crate::settings::WebSocketSettings;
use crate::shared_state::SharedState;

/// The size of the read buffer. It is on the stack, so a quiet socket holds none.
const READ_BYTES: usize = 8 * 1024;

/// How often a connection reads in one turn. Then the other tasks of the thread run.
const READS_PER_TURN: usize = 16;

/// How far ahead the timer is set when nothing is due.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) struct Connection<IO> {
    io: IO,
    context: WebSocketContext,
    shared: Arc<SharedState>,
    phase: Phase,
    /// Frames that were taken from the queue and are not written yet.
    writing: VecDeque<Bytes>,
    timer: Pin<Box<Sleep>>,
    times: Times,
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
            context: WebSocketContext::new(Role::Server, Some(settings.protocol_config())),
            shared,
            phase: Phase::Open,
            writing: VecDeque::new(),
            timer: Box::pin(sleep(FAR)),
            times,
        }
    }

    /// Reads, writes and checks the timeouts, as far as that is possible now. Ready when the
    /// connection is over.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.lock().begin_turn(cx);
        for _ in 0..READS_PER_TURN {
            self.begin_close();
            match self.poll_write(cx) {
                Poll::Ready(Err(error)) => self.disconnect(&error),
                Poll::Ready(Ok(())) => self.poll_shut(cx),
                Poll::Pending => {}
            }
            if matches!(self.phase, Phase::Over) {
                return Poll::Ready(());
            }
            if self.poll_read(cx).is_pending() {
                return self.poll_times(cx);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sends the close frame, if the application or the server wants to close.
    fn begin_close(&mut self) {
        let Phase::Open = self.phase else { return };
        let Some(reason) = self.shared.lock().begin_close() else { return };
        self.send_close(&reason);
        let deadline = self.times.close_deadline();
        self.phase = Phase::Closing { deadline, reason };
    }

    fn send_close(&mut self, reason: &CloseReason) {
        let mut pipe = Pipe::new(&[]);
        // It fails only if the close frame was sent before.
        let _ = self.context.close(&mut pipe, Some(reason.to_frame()));
        self.shared.lock().out.push_encoded(&pipe.output);
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.writing.is_empty() {
                let mut state = self.shared.lock();
                if state.out.len() == 0 {
                    break;
                }
                state.writing_bytes = state.out.len();
                self.writing = state.out.take();
            }
            let io = Pin::new(&mut self.io);
            let written = match (self.writing.len(), self.writing.front()) {
                // The most frequent case. The kernel takes one piece with less work.
                (1, Some(only)) => io.poll_write(cx, only),
                _ => {
                    let (slices, count) = slices(&self.writing);
                    io.poll_write_vectored(cx, &slices[..count])
                }
            };
            match written {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => advance(&mut self.writing, written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
            let left = self.writing.iter().map(Bytes::len).sum();
            self.shared.lock().wrote(left);
        }
        if self.writing.capacity() > 0 {
            self.writing = VecDeque::new();
        }
        Pin::new(&mut self.io).poll_flush(cx)
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
        if matches!(self.phase, Phase::Open) && !self.shared.may_read() {
            // A server that does not read sees no pong, so a missing pong proves nothing now.
            self.times.last_read = Instant::now();
            self.times.pinged = None;
            return Poll::Pending;
        }
        let mut space = [MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        let Poll::Ready(read) = Pin::new(&mut self.io).poll_read(cx, &mut buffer) else {
            return Poll::Pending;
        };
        match read {
            Err(error) => self.disconnect(&error),
            Ok(()) if buffer.filled().is_empty() => self.finish(SocketEnd::Disconnected),
            Ok(()) => {
                self.times.last_read = Instant::now();
                self.times.pinged = None;
                if !matches!(self.phase, Phase::Ending { .. }) {
                    self.feed(buffer.filled());
                }
            }
        }
        Poll::Ready(())
    }

    /// Takes bytes from the client.
    fn feed(&mut self, input: &[u8]) {
        let mut pipe = Pipe::new(input);
        let mut closed_by_client = None;
        let end = loop {
            let message = match self.context.read(&mut pipe) {
                Ok(tungstenite::Message::Text(text)) => Message::Text(Utf8Bytes::from_inner(text)),
                Ok(tungstenite::Message::Binary(bytes)) => Message::Binary(bytes),
                Ok(tungstenite::Message::Close(frame)) => {
                    closed_by_client = Some(frame.map(CloseReason::from_frame));
                    continue;
                }
                // tungstenite replies to pings by itself.
                Ok(_) => continue,
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break None,
                Err(error) => break Some(error),
            };
            self.shared.lock().receive(message);
        };
        self.shared.lock().out.push_encoded(&pipe.output);
        match (end, closed_by_client) {
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

    /// Acts on timeouts that have passed. Ready when the connection is over.
    fn poll_times(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.shared.lock().take_activity() {
            self.times.last_message = Instant::now();
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
            if self.timer.as_mut().poll(cx).is_pending() {
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
                    self.begin_close();
                    // A write that fails is noticed in the next turn.
                    cx.waker().wake_by_ref();
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

impl Times {
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

/// The stream that tungstenite reads and writes: bytes in memory.
struct Pipe<'a> {
    input: &'a [u8],
    output: Vec<u8>,
}

impl<'a> Pipe<'a> {
    fn new(input: &'a [u8]) -> Self {
        Self { input, output: Vec::new() }
    }
}

impl Read for Pipe<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.input.read(space)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

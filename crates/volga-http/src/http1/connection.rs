//! A connection while it has requests: what each of them waits for, from its first byte to the end of its answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::Body;

use super::batch::Batch;
use super::head_timer::HeadTimer;
use super::incoming::{Feed, Gone};
use super::outgoing::{Cut, Outgoing};
use super::received::{Received, poll_read};
use super::request::{self, BodyLength, Head};
use super::spare;
use crate::body::RequestBody;
use crate::limits::{MAX_PIPELINED_BYTES, READ_BYTES, REQUESTS_PER_TURN};
use crate::stall::Stall;
use crate::transport::Transport;

/// A transport, and what was read from it ahead of its use.
#[derive(Debug)]
pub(crate) struct Connection<I> {
    io: Stall<I>,
    received: Received,
    /// The end of a head cannot lie before this place.
    searched: usize,
    /// The body of the request, where it has one.
    body: Option<Feed>,
    timer: HeadTimer,
    /// How many requests were read since this task last let others have their turn.
    in_turn: usize,
}

/// Why there is no further request.
#[derive(Debug)]
pub(crate) enum Unheard {
    /// It is to be answered with this status, and nothing behind it may be read.
    Refused(StatusCode),
    /// The client has left, it took too long, or it is idle and the server ends.
    Over,
}

impl<I: Transport> Connection<I> {
    pub(crate) fn new(io: Stall<I>, received: &[u8], head_time: Duration) -> Self {
        Self {
            io,
            received: Received::new(received),
            searched: 0,
            body: None,
            timer: HeadTimer::new(head_time),
            in_turn: 0,
        }
    }

    /// The transport, and what was read from it beyond the last request.
    pub(crate) fn into_parts(self) -> (Stall<I>, Bytes) {
        (self.io, self.received.into_bytes())
    }

    pub(crate) fn io(&mut self) -> &mut Stall<I> {
        &mut self.io
    }

    /// Whether nothing of a further request has come.
    fn is_idle(&self) -> bool {
        self.received.is_empty()
    }

    /// Reads the next head. `ending` says whether the server ends, which an idle connection does not outlive.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        ending: impl FnOnce(&mut Context<'_>) -> Poll<()>,
    ) -> Poll<Result<Head, Unheard>> {
        if self.in_turn >= REQUESTS_PER_TURN {
            self.in_turn = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let head = self.poll_read_head(cx);
        if head.is_ready() {
            self.timer.stop();
            self.in_turn += 1;
            return head;
        }
        self.in_turn = 0;
        // Only after what was received was seen.
        if self.timer.poll_late(cx).is_ready() || self.is_idle() && ending(cx).is_ready() {
            return Poll::Ready(Err(Unheard::Over));
        }
        Poll::Pending
    }

    fn poll_read_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Unheard>> {
        loop {
            if self.may_be_whole() {
                match request::parse(self.received.bytes(), spare::take) {
                    Ok(Some((head, length))) => {
                        self.received.consume(length);
                        self.searched = 0;
                        return Poll::Ready(Ok(head));
                    }
                    Ok(None) => self.searched = self.received.len().saturating_sub(3),
                    Err(status) => return Poll::Ready(Err(Unheard::Refused(status))),
                }
            }
            let received = &mut self.received;
            let read = poll_read(&mut self.io, READ_BYTES, cx, |bytes| {
                if bytes.is_empty() {
                    return Err(Unheard::Over);
                }
                if !received.is_empty() {
                    received.push(bytes);
                    return Ok(None);
                }
                // As a rule a head comes whole and alone: then it is not copied twice.
                match request::parse(bytes, spare::take) {
                    Ok(Some((head, length))) => {
                        received.push(&bytes[length..]);
                        Ok(Some(head))
                    }
                    Ok(None) => {
                        received.push(bytes);
                        Ok(None)
                    }
                    Err(status) => Err(Unheard::Refused(status)),
                }
            });
            match ready!(read) {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(head))) => return Poll::Ready(Ok(head)),
                Ok(Err(unheard)) => return Poll::Ready(Err(unheard)),
                Err(_) => return Poll::Ready(Err(Unheard::Over)),
            }
        }
    }

    /// Whether there is an empty line, or so much that it is too much. It is looked for once at each place, however slowly a head comes.
    fn may_be_whole(&self) -> bool {
        let bytes = self.received.bytes();
        let rest = bytes.get(self.searched..).unwrap_or_default();
        bytes.len() >= crate::limits::MAX_HEAD_BYTES as usize
            || rest.windows(2).any(|pair| pair == b"\n\n")
            || rest.windows(3).any(|three| three == b"\n\r\n")
    }

    /// The body of the request whose head was read.
    pub(crate) fn open_body(&mut self, length: BodyLength, expects_continue: bool) -> RequestBody {
        if length == BodyLength::Known(0) {
            return RequestBody::empty();
        }
        let (feed, incoming) = Feed::new(length, expects_continue);
        self.body = Some(feed);
        RequestBody::http1(incoming)
    }

    /// Waits for the answer. `None` if the client leaves before: then nobody wants it.
    pub(crate) fn poll_answer<F: Future>(
        &mut self,
        mut answer: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<F::Output>> {
        loop {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                self.discard_body(cx);
                return Poll::Ready(Some(answer));
            }
            if ready!(self.poll_client(cx)).is_err() {
                return Poll::Ready(None);
            }
        }
    }

    /// Sends the answer, after what is in `first`.
    pub(crate) fn poll_send<B: Body<Data = Bytes>>(
        &mut self,
        mut outgoing: Pin<&mut Outgoing<B>>,
        mut first: Option<Batch>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Cut>> {
        loop {
            if let Poll::Ready(sent) = outgoing.as_mut().poll_send(&mut self.io, first.take(), cx) {
                return Poll::Ready(sent);
            }
            if ready!(self.poll_client(cx)).is_err() {
                return Poll::Ready(Err(Cut));
            }
        }
    }

    /// Waits until the request is read to its end, or will never be.
    pub(crate) fn poll_body_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        loop {
            self.discard_body(cx);
            if self.body.as_ref().is_none_or(|body| body.is_done() || body.is_given_up()) {
                return Poll::Ready(Ok(()));
            }
            if let Err(gone) = ready!(self.poll_client(cx)) {
                return Poll::Ready(Err(gone));
            }
        }
    }

    /// Whether the request was read to its end: only then is it known where the next one begins.
    pub(crate) fn is_body_read(&self) -> bool {
        self.body.as_ref().is_none_or(Feed::is_done)
    }

    /// Whether the request may still come to its end.
    pub(crate) fn may_go_on(&self) -> bool {
        self.body.as_ref().is_none_or(|body| !body.is_given_up())
    }

    /// Whether the client may be sending, or has sent, what nobody will read.
    pub(crate) fn is_unread(&self) -> bool {
        !self.is_body_read() || !self.received.is_empty()
    }

    /// What of a "100 Continue" must go before the response.
    pub(crate) fn begun_go_ahead(&mut self) -> &'static [u8] {
        self.body.as_mut().map_or(b"", Feed::begun_go_ahead)
    }

    /// Forgets the request, which is over.
    pub(crate) fn close_body(&mut self) {
        self.body = None;
    }

    /// What the client does meanwhile: it sends more of the body, which the caller then looks after, or it leaves.
    fn poll_client(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if let Some(body) = &mut self.body
            && !body.is_done()
        {
            let fed = body.poll_feed(&mut self.io, &mut self.received, cx);
            if fed.is_ready() || !body.is_done() {
                return fed;
            }
        }
        self.poll_left(cx).map(|()| Err(Gone))
    }

    /// Waits until the client has left. Closing its sending side is leaving. Of what it sends before so much is read as may be held.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.received.len() < MAX_PIPELINED_BYTES {
            let room = MAX_PIPELINED_BYTES - self.received.len();
            let received = &mut self.received;
            let read = poll_read(&mut self.io, room, cx, |bytes| {
                received.push(bytes);
                bytes.is_empty()
            });
            if ready!(read).unwrap_or(true) {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// Drops what has come of a body that nobody will read.
    fn discard_body(&mut self, cx: &mut Context<'_>) {
        if let Some(body) = &mut self.body
            && body.is_given_up()
        {
            body.discard(&mut self.io, &mut self.received, cx);
        }
    }
}

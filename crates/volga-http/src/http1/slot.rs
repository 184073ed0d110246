//! Where a response waits that is to leave hyper, or the refusal of a request, and how hyper is brought to the point at which it can.
//!
//! hyper is given a future that never ends once the response is in the slot. hyper then waits for it, having read the request to its end, and
//! flushes whatever it still holds. When that is done, the connection can be taken from it.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower_service::Service;

use super::head::{Terms, may_leave};
use super::strict;
use crate::body::RequestBody;
use crate::limits::JOIN_MAX;
use crate::linger::Unread;
use crate::service::{Answer, Requests};

/// What makes hyper give up the connection.
#[derive(Debug)]
pub(crate) enum Parked<B> {
    /// A response, and the terms of its request.
    Response(Response<B>, Terms),
    /// The request is not for any service: it is answered with this status, and nothing after it is read.
    Refused(StatusCode),
}

/// What a connection's task shares with its service and its transport, both of which hyper has.
#[derive(Debug)]
pub(crate) struct Slot<B> {
    parked: Mutex<Option<Parked<B>>>,
    /// Whether hyper has nothing left to write.
    is_flushed: AtomicBool,
    /// How many requests hyper has given to the service.
    requests: AtomicUsize,
}

impl<B> Slot<B> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            parked: Mutex::new(None),
            is_flushed: AtomicBool::new(true),
            requests: AtomicUsize::new(0),
        })
    }

    /// How many requests there were.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// What is parked, once hyper can do without the connection. To be asked after hyper was polled and waits.
    pub(crate) fn take(&self) -> Option<Parked<B>> {
        if self.is_flushed.load(Ordering::Relaxed) { self.parked().take() } else { None }
    }

    fn parked(&self) -> MutexGuard<'_, Option<Parked<B>>> {
        // Whole at any time, whoever panics.
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The service that hyper calls.
#[derive(Debug)]
pub(crate) struct SlotService<S, B> {
    pub(crate) requests: Requests<S>,
    pub(crate) slot: Arc<Slot<B>>,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for SlotService<S, B>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = SlotAnswer<S, S::Future, B>;

    #[inline]
    fn call(&self, request: Request<Incoming>) -> Self::Future {
        if let Err(status) = strict::check(&request) {
            *self.slot.parked() = Some(Parked::Refused(status));
            return SlotAnswer::Parked;
        }
        let terms = Terms::of(&request);
        self.slot.requests.fetch_add(1, Ordering::Relaxed);
        SlotAnswer::Running {
            terms,
            answer: self.requests.call(request),
            unread: self.requests.unread.clone(),
            slot: Arc::clone(&self.slot),
        }
    }
}

pin_project! {
    /// One request: its response goes to hyper, or into the slot; a refusal is there already.
    #[project = SlotAnswerProj]
    pub(crate) enum SlotAnswer<S, F, B> {
        Running { terms: Option<Terms>, #[pin] answer: Answer<S, F>, unread: Unread, slot: Arc<Slot<B>> },
        Parked,
    }
}

impl<S, B> Future for SlotAnswer<S, S::Future, B>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    B: Body,
{
    type Output = Result<Response<B>, Infallible>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let SlotAnswerProj::Running { terms, answer, unread, slot } = self.as_mut().project()
        else {
            return Poll::Pending;
        };
        let Ok(response) = ready!(answer.poll(cx));
        match *terms {
            // The request must be at its end: what is left of a body only hyper can find the end of.
            Some(terms) if unread.is_at_end() && may_leave(&response) => {
                *slot.parked() = Some(Parked::Response(response, terms));
                self.set(SlotAnswer::Parked);
                Poll::Pending
            }
            _ => Poll::Ready(Ok(response)),
        }
    }
}

/// The size of pieces that are small enough to be written as one: the head of a response and a short body.
fn joined(bufs: &[IoSlice<'_>]) -> Option<usize> {
    let size = bufs.iter().map(|buf| buf.len()).sum();
    (size <= JOIN_MAX).then_some(size)
}

/// A transport from which the slot learns whether hyper has written everything: only then does hyper flush.
#[derive(Debug)]
pub(crate) struct Watched<I, B> {
    io: I,
    slot: Arc<Slot<B>>,
}

impl<I, B> Watched<I, B> {
    pub(crate) fn new(io: I, slot: Arc<Slot<B>>) -> Self {
        Self { io, slot }
    }

    pub(crate) fn into_inner(self) -> I {
        self.io
    }

    fn set_flushed(&self, is_flushed: bool) {
        self.slot.is_flushed.store(is_flushed, Ordering::Relaxed);
    }
}

impl<I: AsyncRead + Unpin, B> AsyncRead for Watched<I, B> {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin, B> AsyncWrite for Watched<I, B> {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.set_flushed(false);
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.set_flushed(false);
        if let Some(size) = joined(bufs) {
            let mut space = [MaybeUninit::uninit(); JOIN_MAX];
            let mut joined = ReadBuf::uninit(&mut space[..size]);
            bufs.iter().for_each(|buf| joined.put_slice(buf));
            return Pin::new(&mut self.io).poll_write(cx, joined.filled());
        }
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flush = Pin::new(&mut self.io).poll_flush(cx);
        self.set_flushed(flush.is_ready());
        flush
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// Takes everything, and notes of each call how many pieces it had and how many bytes.
    #[derive(Default)]
    struct Calls(Vec<(usize, usize)>);

    impl AsyncWrite for Calls {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(buf)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let size = bufs.iter().map(|buf| buf.len()).sum();
            self.0.push((bufs.len(), size));
            Poll::Ready(Ok(size))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_short_response_is_one_piece_and_a_longer_one_is_not_copied() {
        let head = [b'h'; 200];
        for (body, pieces) in [(1, 1), (JOIN_MAX - head.len(), 1), (JOIN_MAX, 2)] {
            let body = vec![b'b'; body];
            let mut io = Watched::new(Calls::default(), Slot::<()>::new());
            let bufs = [IoSlice::new(&head), IoSlice::new(&body)];
            let size = head.len() + body.len();
            assert_eq!(io.write_vectored(&bufs).await.expect("it takes all"), size);
            assert_eq!(io.into_inner().0, [(pieces, size)]);
        }
    }
}

//! One HTTP/1 connection while it serves requests: what it waits for, from the first byte of a
//! request to the last byte of its response.

use std::hint::cold_path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, StatusCode};
use http_body::Body;
use tokio::time::Instant;

use super::batch::Batch;
use super::body_sender::{BodySender, Disconnect};
use super::body_writer::{BodyWriter, SendError, UnsentBytes};
use super::half_close::HalfClose;
use super::head_timer::HeadTimer;
use super::read_buffer::ReadBuffer;
use super::request_head::{self, BodyLength, RequestHead};
use super::response_stream::NextStage;
use crate::exchange::body_pace::PaceLimits;
use crate::exchange::half_close::HalfCloseCallback;
use crate::exchange::request_body::RequestBody;
use crate::io::stack_read::poll_read;
use crate::io::transport::Transport;
use crate::io::wake::wake_after_sockets;
use crate::io::write_timeout::WriteTimeout;
use crate::limits::{MAX_HEAD_BYTES, MAX_PIPELINED_BYTES, READ_BYTES, REQUESTS_PER_TURN};
use crate::pool;

/// A transport, and the bytes that were read from it ahead of their use.
#[derive(Debug)]
pub(crate) struct Http1Connection<I> {
    io: WriteTimeout<I>,
    read_buffer: ReadBuffer,
    /// The empty line that ends a head cannot begin before this index.
    searched: usize,
    /// The connection's half of the request body. In a box, because most requests have no body and
    /// every connection pays for the field.
    body: Option<Box<BodySender>>,
    timer: HeadTimer,
    /// How many requests were read since this task last let other tasks run.
    in_turn: usize,
    /// In a box, because most connections never need it.
    half_close: Option<Box<HalfClose>>,
    /// Whether the socket may hold bytes that it does not report any more, because the connection
    /// has only watched for the client's disconnect.
    is_watched: bool,
}

/// Why there is no further request on the connection.
#[derive(Debug)]
pub(crate) enum HeadError {
    /// The request is malformed or too large. The client gets this status, and nothing behind the
    /// request may be read.
    Refused(StatusCode),
    /// The client has disconnected or took too long, or the server is draining and the connection
    /// is idle.
    Closed,
}

impl<I: Transport> Http1Connection<I> {
    pub(crate) fn new(io: WriteTimeout<I>, received: &[u8], head_time: Duration) -> Self {
        Self {
            io,
            read_buffer: ReadBuffer::new(received),
            searched: 0,
            body: None,
            timer: HeadTimer::new(head_time),
            in_turn: 0,
            half_close: None,
            is_watched: false,
        }
    }

    /// Returns the transport, the bytes that were read beyond the last request, and what is known
    /// about the client's sending side.
    pub(crate) fn into_parts(mut self) -> (WriteTimeout<I>, Bytes, Option<Box<HalfClose>>) {
        self.catch_up();
        (self.io, self.read_buffer.into_bytes(), self.half_close)
    }

    /// Decides what follows when the client has left before its response was sent. Some bytes of
    /// the response may be unsent.
    pub(crate) fn leave<B>(self, unsent: Option<Box<UnsentBytes>>) -> NextStage<I, B> {
        let is_unread = self.read_buffer.len() >= MAX_PIPELINED_BYTES;
        NextStage::after_input_end(self.io.into_inner(), unsent, is_unread)
    }

    /// Sets what is called when the client closes its sending side during the response, if
    /// half-closed connections are allowed.
    ///
    /// The time for the next head begins `now`, unless the response has to wait. So the clock is
    /// read once for each request.
    pub(crate) fn begin_response(&mut self, extensions: &Extensions, now: Instant) {
        self.timer.start(now);
        if self.io.timeouts().allows_half_close()
            && let Some(callback) = extensions.get::<HalfCloseCallback>()
        {
            cold_path();
            self.half_close.get_or_insert_default().set_callback(callback.clone());
        }
    }

    /// Forgets what [`begin_response`](Self::begin_response) has set.
    pub(crate) fn end_response(&mut self) {
        if let Some(half_close) = &mut self.half_close {
            cold_path();
            half_close.clear_callback();
        }
    }

    /// Returns the transport alone, when the server reads nothing more from it.
    pub(crate) fn into_io(self) -> I {
        self.io.into_inner()
    }

    pub(crate) fn io(&mut self) -> &mut WriteTimeout<I> {
        &mut self.io
    }

    /// Whether no byte of a further request has arrived. Old clients send an empty line after a
    /// body; it does not belong to a request (RFC 9112, section 2.2).
    fn is_idle(&self) -> bool {
        self.read_buffer.bytes().iter().all(|byte| matches!(byte, b'\r' | b'\n'))
    }

    /// Reads the next head into `head`. Once `draining` is ready, an idle connection ends, and a
    /// client that has begun a head gets the grace of the drain to finish it. `draining` is told
    /// whether it was polled by this task before, so that it need not be polled for each request.
    #[inline(always)]
    pub(crate) fn poll_head(
        &mut self,
        head: &mut Option<RequestHead>,
        cx: &mut Context<'_>,
        draining: impl FnOnce(&mut Context<'_>, bool) -> Poll<()>,
    ) -> Poll<Result<(), HeadError>> {
        if self.in_turn >= REQUESTS_PER_TURN {
            cold_path();
            self.in_turn = 0;
            wake_after_sockets(cx);
            return Poll::Pending;
        }
        let read = self.poll_read_head(head, cx);
        if read.is_ready() {
            self.timer.stop();
            self.in_turn += 1;
            return read;
        }
        self.in_turn = 0;
        // The bytes that have arrived are read first. Otherwise a request that is there already
        // could be dropped because the time is up.
        let is_known = self.timer.wakes(cx.waker());
        if draining(cx, is_known).is_ready() {
            cold_path();
            if self.is_idle() {
                return Poll::Ready(Err(HeadError::Closed));
            }
            self.timer.shorten(self.io.timeouts().grace());
        }
        self.timer.poll_late(cx).map(|()| Err(HeadError::Closed))
    }

    #[inline(always)]
    fn poll_read_head(
        &mut self,
        head: &mut Option<RequestHead>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), HeadError>> {
        loop {
            self.catch_up();
            if !self.read_buffer.is_empty() && self.may_be_whole() {
                match request_head::parse(self.read_buffer.bytes(), pool::take_headers, head) {
                    Ok(Some(length)) => {
                        self.read_buffer.consume(length);
                        self.searched = 0;
                        return Poll::Ready(Ok(()));
                    }
                    Ok(None) => {}
                    Err(status) => return Poll::Ready(Err(HeadError::Refused(status))),
                }
            }
            // The empty line may begin within the last two bytes.
            self.searched = self.read_buffer.len().saturating_sub(2);
            let received = &mut self.read_buffer;
            let read = poll_read::<READ_BYTES, _, _>(&mut self.io, READ_BYTES, cx, |bytes| {
                if bytes.is_empty() {
                    cold_path();
                    return Err(HeadError::Closed);
                }
                if !received.is_empty() {
                    cold_path();
                    received.push(bytes);
                    return Ok(false);
                }
                // A head usually arrives whole and alone. Then it is parsed from the stack, and not
                // copied twice.
                let length = request_head::parse(bytes, pool::take_headers, head)
                    .map_err(HeadError::Refused)?;
                received.push(&bytes[length.unwrap_or(0)..]);
                Ok(length.is_some())
            });
            match ready!(read) {
                Ok(Ok(false)) => {}
                Ok(Ok(true)) => return Poll::Ready(Ok(())),
                Ok(Err(unheard)) => return Poll::Ready(Err(unheard)),
                Err(_) => return Poll::Ready(Err(HeadError::Closed)),
            }
        }
    }

    /// Whether parsing may succeed. Once a part of a head has arrived, it is parsed again only when
    /// an empty line is there or when there is too much of it. Each byte is searched once, however
    /// slowly the rest arrives: parsing from the start for each new byte would be quadratic.
    fn may_be_whole(&self) -> bool {
        let bytes = self.read_buffer.bytes();
        let is_end = |at: usize| matches!(bytes[at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]);
        let mut rest = (self.searched..bytes.len()).filter(|&at| bytes[at] == b'\n');
        self.searched == 0 || bytes.len() >= MAX_HEAD_BYTES as usize || rest.any(is_end)
    }

    /// Opens the body of the request whose head was read.
    pub(crate) fn open_body(&mut self, head: &RequestHead, limits: &PaceLimits) -> RequestBody {
        if head.body == BodyLength::Known(0) {
            return RequestBody::empty();
        }
        cold_path();
        let timeouts = self.io.timeouts().clone();
        let (sender, body) = BodySender::new(head.body, head.expects_continue, *limits, timeouts);
        self.body = Some(Box::new(sender));
        RequestBody::from_channel(body)
    }

    /// Waits for the response. An error if the client disconnects first: then no client would
    /// receive it.
    #[inline(always)]
    pub(crate) fn poll_response<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Disconnect>> {
        loop {
            if let Poll::Ready(response) = poll(cx) {
                self.discard_body(cx);
                return Poll::Ready(Ok(response));
            }
            ready!(self.poll_client(cx))?;
        }
    }

    /// Sends the response, after what is in `first`.
    pub(crate) fn poll_send<B: Body<Data = Bytes>>(
        &mut self,
        mut body_writer: Pin<&mut BodyWriter<B>>,
        first: &mut Option<Batch>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        loop {
            if let Poll::Ready(sent) = body_writer.as_mut().poll_send(&mut self.io, first, cx) {
                return Poll::Ready(sent);
            }
            self.timer.stop();
            if ready!(self.poll_client(cx)).is_err() {
                return Poll::Ready(Err(SendError::ClientLeft));
            }
        }
    }

    /// Whether the request has a body, or had one.
    pub(crate) fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// Waits until the request is read to its end, or until that can no longer happen.
    pub(crate) fn poll_body_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnect>> {
        loop {
            self.discard_body(cx);
            if self.body.as_ref().is_none_or(|body| body.is_done() || body.is_abandoned()) {
                return Poll::Ready(Ok(()));
            }
            self.timer.stop();
            if let Err(disconnect) = ready!(self.poll_client(cx)) {
                return Poll::Ready(Err(disconnect));
            }
        }
    }

    /// Whether the request was read to its end. Only then does the server know where the next one
    /// begins.
    pub(crate) fn is_body_read(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.is_done())
    }

    /// Whether the request may still be read to its end.
    pub(crate) fn may_complete(&self) -> bool {
        self.body.as_ref().is_none_or(|body| !body.is_abandoned())
    }

    /// Whether the client may be sending, or has sent, bytes that the server will not read.
    pub(crate) fn is_unread(&self) -> bool {
        !self.is_body_read() || !self.read_buffer.is_empty()
    }

    /// The rest of a `100 Continue` that was written in part, which must go before the response.
    pub(crate) fn unsent_continue(&mut self) -> &'static [u8] {
        self.body.as_mut().map_or(b"", |body| body.unsent_continue())
    }

    /// Drops the connection's half of the body, once the request is over.
    pub(crate) fn close_body(&mut self) {
        self.body = None;
        self.restart_grace();
    }

    /// Waits for what the client does during a request: it sends more of the body, and the caller
    /// then polls the body's reader again; or it disconnects.
    fn poll_client(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnect>> {
        self.catch_up();
        while let Some(body) = &mut self.body
            && !body.is_done()
        {
            let fed = body.poll_feed(&mut self.io, &mut self.read_buffer, cx);
            let is_reading = fed.is_pending() && body.is_reading();
            if body.take_progress() {
                self.restart_grace();
            }
            if is_reading && self.is_watched {
                // The reader has taken what was read ahead. The socket does not report the bytes
                // behind that, so they are received first.
                self.catch_up();
                continue;
            }
            // While the reader waits for a piece, the body is what is read from the socket.
            if fed.is_ready() || is_reading {
                return fed;
            }
            break;
        }
        self.poll_disconnect(cx).map(|()| Err(Disconnect))
    }

    /// Receives what arrived while the connection only watched for the client's disconnect, up to a
    /// bound.
    fn catch_up(&mut self) {
        if !self.is_watched {
            return;
        }
        cold_path();
        let mut piece = [0; READ_BYTES];
        while self.is_watched && self.read_buffer.len() < MAX_PIPELINED_BYTES {
            let room = READ_BYTES.min(MAX_PIPELINED_BYTES - self.read_buffer.len());
            match self.io.get_mut().recv(&mut piece[..room]) {
                Ok(received) if received > 0 => self.read_buffer.push(&piece[..received]),
                // Nothing is there, or the socket reports its end also in the usual way.
                _ => self.is_watched = false,
            }
        }
    }

    /// Waits until the client has disconnected. A client that closes its sending side counts as
    /// disconnected after a grace, unless half-closed connections are allowed.
    fn poll_disconnect(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_half_closed = self.half_close.as_ref().is_some_and(|half| half.is_closed());
        if !is_half_closed && ready!(self.poll_input_end(cx)).is_err() {
            return Poll::Ready(());
        }
        let half_close = self.half_close.get_or_insert_default();
        if self.io.timeouts().allows_half_close() {
            half_close.poll_broken(self.io.get_ref(), cx)
        } else {
            half_close.poll_grace(self.io.get_ref(), cx)
        }
    }

    /// Gives the response the whole grace of a half-closed connection again.
    fn restart_grace(&mut self) {
        if let Some(half_close) = &mut self.half_close {
            cold_path();
            half_close.restart_timer();
        }
    }

    /// Waits until the client has closed its sending side, or the connection is broken. Bytes that
    /// the client sends before are read ahead, up to a bound.
    fn poll_input_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnect>> {
        while self.read_buffer.len() < MAX_PIPELINED_BYTES {
            let room = MAX_PIPELINED_BYTES - self.read_buffer.len();
            let received = &mut self.read_buffer;
            let read = poll_read::<READ_BYTES, _, _>(&mut self.io, room, cx, |bytes| {
                received.push(bytes);
                bytes.is_empty()
            });
            match ready!(read) {
                Ok(false) => {}
                Ok(true) => return Poll::Ready(Ok(())),
                Err(_) => return Poll::Ready(Err(Disconnect)),
            }
        }
        self.is_watched = true;
        self.io.get_ref().poll_disconnect(cx).map(Ok)
    }

    /// Drops what has arrived of a body that will not be read.
    #[inline(always)]
    fn discard_body(&mut self, cx: &mut Context<'_>) {
        if let Some(body) = &mut self.body
            && body.is_abandoned()
        {
            cold_path();
            body.discard(&mut self.io, &mut self.read_buffer, cx);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::time::Duration;

    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::drain::client_timeouts::ClientTimeouts;
    use crate::drain::handle::Drain;
    use crate::http1::testing::STALL;
    use crate::limits::DEFAULT_HEADER_READ_TIMEOUT;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    const POST: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n";

    /// A connection whose transport holds `size` bytes, and its client.
    fn connect(size: usize) -> (DuplexStream, Http1Connection<DuplexStream>) {
        let (client, server) = duplex(size);
        (
            client,
            Http1Connection::new(
                WriteTimeout::new(server, ClientTimeouts::with_defaults(&Drain::new())),
                b"",
                DEFAULT_HEADER_READ_TIMEOUT,
            ),
        )
    }

    async fn head(
        connection: &mut Http1Connection<DuplexStream>,
    ) -> Result<RequestHead, HeadError> {
        let mut head = None;
        poll_fn(|cx| connection.poll_head(&mut head, cx, |_, _| Poll::Pending)).await?;
        Ok(head.expect("it was read"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_is_read_however_it_is_cut_and_no_memory_is_held_afterwards() {
        for size in 1..=GET.len() + 1 {
            let (mut client, mut connection) = connect(size);
            let sending = tokio::spawn(async move {
                client.write_all(&[b"\r\n", GET, b"\n", GET].concat()).await.expect("it is read");
                client
            });
            for _ in 0..2 {
                assert_eq!(head(&mut connection).await.expect("a head").parts.uri, "/", "{size}");
            }
            assert!(connection.is_idle(), "{size}");
            drop(sending.await.expect("no panic"));
            assert!(matches!(head(&mut connection).await, Err(HeadError::Closed)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_for_a_head_starts_when_the_server_waits_for_it() {
        let (mut client, mut connection) = connect(1024);
        let start = Instant::now();
        for sent in [&b""[..], b"GET"] {
            client.write_all(sent).await.expect("room");
            let wait = timeout(DEFAULT_HEADER_READ_TIMEOUT / 4, head(&mut connection));
            assert!(wait.await.is_err(), "it is waited for");
        }
        assert!(matches!(head(&mut connection).await, Err(HeadError::Closed)));
        assert_eq!(start.elapsed(), DEFAULT_HEADER_READ_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_ends_only_connections_without_a_part_of_a_request() {
        for (sent, is_idle) in [(&b""[..], true), (b"\r\n", true), (b"G", false), (b"\r\nG", false)]
        {
            let (mut client, mut connection) = connect(1024);
            client.write_all(sent).await.expect("room");
            let mut head = None;
            let read = poll_fn(|cx| connection.poll_head(&mut head, cx, |_, _| Poll::Ready(())));
            let over = timeout(Duration::ZERO, read).await;
            assert_eq!(over.is_ok(), is_idle, "{sent:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_disconnect_is_noticed_while_pipelined_requests_wait() {
        for ahead in [0, 1, MAX_PIPELINED_BYTES - 1] {
            let (mut client, mut connection) = connect(1024 * 1024);
            client.write_all(&[GET, &vec![b'x'; ahead]].concat()).await.expect("room");
            head(&mut connection).await.expect("a head");
            let mut response = std::pin::pin!(pending::<()>());
            let mut responded = std::pin::pin!(poll_fn(
                |cx| connection.poll_response(cx, |cx| response.as_mut().poll(cx))
            ));
            assert!(timeout(STALL, responded.as_mut()).await.is_err(), "{ahead} bytes ahead");
            drop(client);
            assert!(responded.await.is_err(), "{ahead} bytes ahead");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_are_read_ahead_to_a_limit_also_of_a_body_that_no_reader_waits_for() {
        let bound = MAX_PIPELINED_BYTES;
        for request in [GET, POST] {
            let (mut client, mut connection) = connect(1);
            let (sent, mut count) = tokio::sync::mpsc::unbounded_channel();
            tokio::spawn(async move {
                client.write_all(request).await.expect("it is read");
                while client.write_all(b"x").await.is_ok() {
                    sent.send(()).expect("the test waits");
                }
            });
            let head = head(&mut connection).await.expect("a head");
            let body = connection.open_body(&head, &PaceLimits::DEFAULT);
            let mut waits = std::pin::pin!(pending::<()>());
            let responded =
                poll_fn(|cx| connection.poll_response(cx, |cx| waits.as_mut().poll(cx)));
            assert!(timeout(STALL, responded).await.is_err());
            let mut ahead = 0;
            while count.try_recv().is_ok() {
                ahead += 1;
            }
            // The transport itself holds one more byte.
            assert!(ahead <= bound + 1 && bound <= ahead, "{ahead} and not {bound}");
            drop(body);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_connection_waits_while_another_task_reads_the_body() {
        let (mut client, mut connection) = connect(64);
        let sending = tokio::spawn(async move {
            client.write_all(POST).await.expect("it is read");
            client.write_all(&[b'x'; 100_000]).await.expect("it is read");
            client
        });
        let head = head(&mut connection).await.expect("a head");
        let body = connection.open_body(&head, &PaceLimits::DEFAULT);
        let reading = tokio::spawn(async move {
            sleep(Duration::from_secs(1)).await;
            body.collect().await.expect("a body").to_bytes().len()
        });
        poll_fn(|cx| connection.poll_body_end(cx)).await.expect("the client is there");
        assert!(connection.is_body_read());
        assert_eq!(reading.await.expect("no panic"), 100_000);
        drop(sending.await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unread_body_is_dropped_if_it_has_arrived_and_not_waited_for_otherwise() {
        for (sent, is_read) in [(100_000, false), (10, false), (5, true)] {
            let (mut client, mut connection) = connect(1024 * 1024);
            let length = if is_read { 5 } else { 100_000 };
            let request = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
            client.write_all(request.as_bytes()).await.expect("room");
            client.write_all(&vec![b'x'; sent]).await.expect("room");
            let head = head(&mut connection).await.expect("a head");
            drop(connection.open_body(&head, &PaceLimits::DEFAULT));
            poll_fn(|cx| connection.poll_body_end(cx)).await.expect("the client is there");
            assert_eq!(connection.is_body_read(), is_read, "{sent} sent");
            assert_eq!(connection.may_complete(), is_read, "{sent} sent");
            client.shutdown().await.expect("memory does not fail");
            assert_eq!(client.read(&mut []).await.expect("nothing was sent"), 0);
        }
    }
}

//! Runs the function of a session, and reads and writes the capsules on its stream.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::response;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, sleep_until, timeout};

use super::capsule::{self, Capsule, CapsuleReader};
use super::close_info::{WebTransportCloseInfo, WebTransportEnd};
use super::handshake::{AcceptedSession, SessionFuture};
use super::session::WebTransport;
use super::state::SessionState;
use super::table::{SessionTable, TableEntry};
use crate::code::Code;
use crate::request_stream::{BodyPiece, ReadFault, RequestStream};
use crate::response_stream::ResponseStream;
use crate::shared_connection::SharedConnection;

/// The code of a session whose function has panicked: that of HTTP/3 for a fault of the server.
const SERVER_FAILED: u32 = 0x102;

/// The stream that has opened a session.
pub(crate) struct SessionStream<'a> {
    pub(crate) request: RequestStream,
    pub(crate) respond: ResponseStream,
    pub(crate) shared: &'a SharedConnection,
}

/// An event on the stream of a session.
enum Event {
    Close(WebTransportCloseInfo),
    Drain,
    Malformed,
    Disconnected,
}

/// Sends the response that accepts a session, and runs the session to its end.
pub(crate) async fn serve(
    head: response::Parts,
    accepted: AcceptedSession,
    mut stream: SessionStream<'_>,
    sessions: &SessionTable,
    entry: TableEntry<'_>,
) {
    let Some(run) = accepted.take() else { return stream.respond.reset(Code::INTERNAL_ERROR) };
    let settings = accepted.settings;
    let (id, quic) = (stream.request.id(), stream.shared.quic.clone());
    let state = Arc::new(SessionState::new(id, quic, &settings));
    // Whatever drops this future ends the session for every task that has a part of it.
    let _end = EndOnDrop(Arc::clone(&state));
    let sent = stream.respond.send_head(head.status, &head.headers, stream.shared).await;
    if sent.is_err() {
        return stream.respond.reset(Code::REQUEST_CANCELLED);
    }
    entry.open(&state);
    let session = WebTransport::new(Arc::clone(&state));
    let Ok(function) = catch_unwind(AssertUnwindSafe(|| run(session))) else {
        return stream.respond.reset(Code::INTERNAL_ERROR);
    };
    let mut function = Function { future: Some(function) };
    let margin = settings.close_timeout.min(sessions.drain_deadline / 4);
    let close_after = sessions.drain_deadline - margin;
    let end = stream.run(&state, &mut function, sessions, close_after).await;
    // No more streams and datagrams arrive.
    drop(entry);
    state.set_end(end.clone());
    let finishing = async {
        match &end {
            WebTransportEnd::ClosedByServer(info) => {
                let close = capsule::encode(&Capsule::Close(info.clone()));
                if stream.respond.send_data(close, stream.shared, || false).await.is_ok() {
                    stream.respond.finish(stream.shared).await;
                }
            }
            WebTransportEnd::ClosedByClient(_) => stream.respond.finish(stream.shared).await,
            WebTransportEnd::Refused => {
                stream.request.stop(Code::MESSAGE_ERROR);
                stream.respond.reset(Code::MESSAGE_ERROR);
            }
            WebTransportEnd::Disconnected => stream.respond.reset(Code::REQUEST_CANCELLED),
        }
    };
    let function = async {
        if end.is_abrupt() {
            // The tasks that wait for the session learn of its end before it is dropped.
            return function.poll_once().await;
        }
        if function.future.is_some() {
            function.finish().await;
        }
    };
    // If the connection is lost meanwhile, its task drops this future.
    let _ = timeout(settings.close_timeout, async { tokio::join!(finishing, function) }).await;
    state.clear();
}

impl SessionStream<'_> {
    /// Runs the function until the session ends.
    async fn run(
        &mut self,
        state: &SessionState,
        function: &mut Function,
        sessions: &SessionTable,
        close_after: Duration,
    ) -> WebTransportEnd {
        let mut capsules = CapsuleReader::default();
        let mut stopped = pin!(self.respond.stopped());
        let mut draining = pin!(sessions.drain.started());
        let mut close_at = None;
        loop {
            tokio::select! {
                biased;
                info = state.close_requested() => return WebTransportEnd::ClosedByServer(info),
                event = next_event(&mut self.request, &mut capsules) => match event {
                    Event::Close(info) => return WebTransportEnd::ClosedByClient(info),
                    Event::Drain => state.set_draining(),
                    Event::Malformed => return WebTransportEnd::Refused,
                    Event::Disconnected => return WebTransportEnd::Disconnected,
                },
                () = &mut stopped => return WebTransportEnd::Disconnected,
                info = function.finish() => {
                    // The function may have asked for another close before its end.
                    state.request_close(info);
                }
                () = &mut draining, if close_at.is_none() => {
                    close_at = Some(Instant::now() + close_after);
                    state.set_draining();
                    let drain = capsule::encode(&Capsule::Drain);
                    if self.respond.send_data(drain, self.shared, || false).await.is_err() {
                        return WebTransportEnd::Disconnected;
                    }
                }
                () = sleep_until(close_at.unwrap_or_else(Instant::now)), if close_at.is_some() => {
                    let info = WebTransportCloseInfo::new(0, "the server shuts down");
                    return WebTransportEnd::ClosedByServer(info);
                }
            }
        }
    }
}

/// Reads the stream up to the next event.
async fn next_event(request: &mut RequestStream, capsules: &mut CapsuleReader) -> Event {
    loop {
        // A client that sends without end must not keep the function from its turn.
        consume_budget().await;
        match capsules.next() {
            Ok(Some(Capsule::Close(info))) => return Event::Close(info),
            Ok(Some(Capsule::Drain)) => return Event::Drain,
            Ok(None) => {}
            Err(_) => return Event::Malformed,
        }
        match poll_fn(|cx| request.poll_body(cx)).await {
            Some(Ok(BodyPiece::Data(data))) => capsules.feed(data),
            // Fields after a session have no meaning.
            Some(Ok(BodyPiece::Trailers(_))) => {}
            // The end of the stream is a close with code 0.
            None if capsules.is_between_capsules() => {
                return Event::Close(WebTransportCloseInfo::default());
            }
            Some(Err(ReadFault::Disconnected)) => return Event::Disconnected,
            None | Some(Err(_)) => return Event::Malformed,
        }
    }
}

/// The function of the application.
struct Function {
    /// `None` once it has returned.
    future: Option<SessionFuture>,
}

impl Function {
    /// Waits for the end of the function. After that, it waits for ever.
    async fn finish(&mut self) -> WebTransportCloseInfo {
        poll_fn(|cx| {
            let Some(future) = &mut self.future else { return Poll::Pending };
            // After a panic the future is only dropped. The panic hook has reported it.
            let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(future).poll(cx)));
            let result = match polled {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(info)) => info,
                Err(_panic) => WebTransportCloseInfo::new(SERVER_FAILED, "the server has failed"),
            };
            self.future = None;
            Poll::Ready(result)
        })
        .await
    }

    async fn poll_once(&mut self) {
        let mut finish = pin!(self.finish());
        poll_fn(|cx| {
            let _ = finish.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
    }
}

/// Ends a session when it is dropped.
struct EndOnDrop(Arc<SessionState>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.set_end(WebTransportEnd::Disconnected);
        self.0.clear();
    }
}

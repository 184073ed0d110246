//! `SocketFunction` and `RunSocket`: the futures of a function for a WebSocket.
//!
//! They are types and not async blocks, because an async block keeps room for what it captures
//! beside the places to which it has moved it, and an app may have very many quiet sockets.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use volga_core::Error;
use volga_http::TunnelStream;
use volga_ws::{CloseCode, CloseReason, ClosedError, JsonError, Serve};

use super::endpoint::SocketReport;
use super::handler::SocketOutput;

pin_project! {
    /// The application's function. Its output is the reason to close the WebSocket with.
    pub(super) struct SocketFunction<F> {
        #[pin]
        function: F,
        report: SocketReport,
    }
}

impl<F> SocketFunction<F> {
    pub(super) fn new(function: F, report: SocketReport) -> Self {
        Self { function, report }
    }
}

impl<F: Future<Output: SocketOutput>> Future for SocketFunction<F> {
    type Output = CloseReason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let this = self.project();
        // After a panic the function is not polled again, so no code sees it half changed.
        let result = match catch_unwind(AssertUnwindSafe(|| this.function.poll(cx))) {
            Ok(poll) => ready!(poll).into_result(),
            Err(panic) => Err(panic_error(&*panic)),
        };
        Poll::Ready(match result {
            Ok(()) => CloseReason::from(()),
            Err(error) => close_for(&error, this.report),
        })
    }
}

fn panic_error(panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::server_error(format!("panic: {}", text.unwrap_or("no message")))
}

/// The reason to close with after an error, which is reported if it is the server's.
fn close_for(error: &Error, report: &SocketReport) -> CloseReason {
    let cause = error.cause();
    let is_closed =
        cause.is::<ClosedError>() || matches!(cause.downcast_ref(), Some(JsonError::Closed(_)));
    if is_closed {
        // The client has left while the function was sending.
        return CloseReason::from(());
    }
    if let Some(json @ JsonError::Json(_)) = cause.downcast_ref() {
        return CloseReason::new(json.close_code(), json.to_string());
    }
    if error.status().is_client_error() {
        return CloseReason::new(CloseCode::POLICY_VIOLATION, error.public_message());
    }
    report.report(cause);
    CloseReason::new(CloseCode::SERVER_ERROR, "the server has failed")
}

pin_project! {
    /// A WebSocket and its function, as a tunnel runs them.
    pub(super) struct RunSocket<S, F> {
        #[pin]
        serve: Serve<TunnelStream, S, SocketFunction<F>>,
    }
}

impl<S, F> RunSocket<S, F> {
    pub(super) fn new(serve: Serve<TunnelStream, S, SocketFunction<F>>) -> Self {
        Self { serve }
    }
}

impl<S, F> Future for RunSocket<S, F>
where
    S: Future<Output = ()>,
    F: Future<Output: SocketOutput>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().serve.poll(cx).map(|_end| ())
    }
}

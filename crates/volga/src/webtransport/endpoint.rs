//! `SessionEndpoint`: checks a request for a session, extracts the arguments, and accepts it.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use http::{HeaderValue, Method, StatusCode, header::ALLOW};
use volga_core::{
    BoxFuture, Description, Error, Handler, HandlerArgs, HttpBody, HttpResult, IntoResponse,
    PartsArgs, RequestParts,
};
use volga_h3::{
    WebTransportCloseInfo, WebTransportDatagramError, WebTransportEndedError, WebTransportOffer,
    WebTransportSettings, WebTransportStreamError,
};

use super::handler::SessionHandler;
use crate::late_report::{LateReport, panic_error};
use crate::other_protocol::other_protocol;

/// A function for a WebTransport session as a handler of requests.
pub(super) struct SessionEndpoint<H> {
    handler: H,
    settings: Arc<WebTransportSettings>,
}

impl<H> SessionEndpoint<H> {
    pub(super) fn new(handler: H, settings: WebTransportSettings) -> Self {
        Self { handler, settings: Arc::new(settings) }
    }
}

impl<H: Clone> Clone for SessionEndpoint<H> {
    fn clone(&self) -> Self {
        Self { handler: self.handler.clone(), settings: Arc::clone(&self.settings) }
    }
}

/// The request for a session. Its arguments are extracted after the request was checked.
pub(super) struct SessionArgs<Args>(RequestParts, PhantomData<fn() -> Args>);

impl<Args: PartsArgs> HandlerArgs<Infallible> for SessionArgs<Args> {
    fn describe(description: &mut Description) {
        Args::describe(description);
        // The offer of the client.
        description.reads_extensions();
    }

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        drop(body);
        Ok(Self(parts, PhantomData))
    }
}

impl<H, Args> Handler<SessionArgs<Args>> for SessionEndpoint<H>
where
    H: SessionHandler<Args> + Send + 'static,
    Args: PartsArgs + Send + 'static,
{
    type Output = BoxFuture<SessionResponse>;

    fn call(self, args: SessionArgs<Args>) -> Self::Output {
        Box::pin(async move { SessionResponse(respond(self, args.0).await) })
    }
}

/// The response to a request for a session.
pub(super) struct SessionResponse(HttpResult);

impl IntoResponse for SessionResponse {
    fn into_response(self) -> HttpResult {
        self.0
    }

    fn describe(description: &mut Description) {
        description
            .responds(StatusCode::OK, &[])
            .responds(StatusCode::BAD_REQUEST, &[])
            .responds(StatusCode::FORBIDDEN, &[])
            .responds(StatusCode::METHOD_NOT_ALLOWED, &[])
            .responds(StatusCode::NOT_IMPLEMENTED, &[]);
    }
}

async fn respond<H, Args>(endpoint: SessionEndpoint<H>, mut parts: RequestParts) -> HttpResult
where
    H: SessionHandler<Args> + Send + 'static,
    Args: PartsArgs + Send + 'static,
{
    let SessionEndpoint { handler, settings } = endpoint;
    let Some(offer) = parts.extensions.get::<WebTransportOffer>().cloned() else {
        let text =
            "this path opens a WebTransport session: use `new WebTransport(url)`, over HTTP/3";
        if parts.method == Method::CONNECT {
            // It is for another protocol, or came over HTTP/2.
            return other_protocol(text.to_owned());
        }
        let error = Error::new(StatusCode::METHOD_NOT_ALLOWED, text);
        return Err(error.with_header((ALLOW, HeaderValue::from_static("CONNECT"))));
    };
    offer.check(&parts, &settings).map_err(|refusal| Error::new(refusal.status(), refusal))?;
    let args = Args::from_parts(&mut parts).await?;
    let report = LateReport::default();
    let reporter = report.clone();
    let mut response = offer.accept(&settings, move |session| async move {
        catch_panic(handler.run(session, args))
            .await
            .unwrap_or_else(|error| close_for(&error, &reporter))
    });
    response.extensions_mut().insert(report);
    Ok(response.map(|()| HttpBody::empty()))
}

/// Runs a function of the application. A panic becomes a server error.
async fn catch_panic<T>(function: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut function = pin!(function);
    poll_fn(|cx| {
        // After a panic the function is not polled again, so no code sees it half changed.
        catch_unwind(AssertUnwindSafe(|| function.as_mut().poll(cx)))
            .unwrap_or_else(|panic| Poll::Ready(Err(panic_error(&*panic))))
    })
    .await
}

/// The code and text to close the session with after an error. A server's error is also reported.
fn close_for(error: &Error, report: &LateReport) -> WebTransportCloseInfo {
    let cause = error.cause();
    if is_by_client(cause) {
        return WebTransportCloseInfo::default();
    }
    let code = u32::from(error.status().as_u16());
    if error.status().is_client_error() {
        return WebTransportCloseInfo::new(code, error.public_message().to_string());
    }
    report.report(cause);
    WebTransportCloseInfo::new(code, "the server has failed")
}

/// Whether the client has ended what the function has used.
fn is_by_client(cause: &(dyn std::error::Error + 'static)) -> bool {
    let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let stream = match inner {
        Some(inner) => inner.downcast_ref(),
        None => cause.downcast_ref(),
    };
    cause.is::<WebTransportEndedError>()
        || matches!(cause.downcast_ref(), Some(WebTransportDatagramError::Ended(_)))
        || matches!(
            stream,
            Some(
                WebTransportStreamError::Reset(_)
                    | WebTransportStreamError::Stopped(_)
                    | WebTransportStreamError::SessionEnded
            )
        )
}

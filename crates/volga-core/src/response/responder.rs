//! How a result becomes the response: errors by the mapper of the route, its groups or the app, or
//! else as problem details.

use std::{fmt, marker::PhantomData, sync::Arc};

use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::handler::{BoxFuture, HandlerOutput, Marker};
use crate::response::catch_panic::CatchPanic;
use crate::response::error::Error;
use crate::response::error_report::Reporter;
use crate::response::into_response::{HttpResponse, HttpResult, IntoResponse};
use crate::response::problem::Form;

/// Makes a response of an error.
pub trait MapError: Send + Sync + 'static {
    /// Makes the response, or gives up with an error, which then becomes one as if there were no
    /// mapper.
    fn map_error(&self, error: Error) -> BoxFuture<HttpResult>;
}

/// A function `|error| …`, async or not, as a [`MapError`].
pub struct ErrorMapper<F, Kind> {
    function: F,
    marker: Marker<Kind>,
}

impl<F, R, Kind> ErrorMapper<F, Kind>
where
    F: Fn(Error) -> R + Send + Sync + 'static,
    R: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse>,
{
    /// Makes a mapper of a function.
    pub fn new(function: F) -> Self {
        Self { function, marker: PhantomData }
    }
}

impl<F, R, Kind> MapError for ErrorMapper<F, Kind>
where
    F: Fn(Error) -> R + Send + Sync + 'static,
    R: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse>,
    Kind: 'static,
{
    fn map_error(&self, error: Error) -> BoxFuture<HttpResult> {
        let result = (self.function)(error).into_future();
        Box::pin(async move { result.await.into_response() })
    }
}

impl<F, Kind> fmt::Debug for ErrorMapper<F, Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorMapper").finish_non_exhaustive()
    }
}

/// What a request says about the response of an error, kept while the request itself is taken
/// apart.
pub(crate) struct Responder {
    /// Read only when there is an error.
    accept: Accept,
    mapper: Option<Arc<dyn MapError>>,
    reporter: Option<Reporter>,
}

/// The `Accept` of a request, which is one field in all but odd cases.
struct Accept {
    first: Option<HeaderValue>,
    others: Vec<HeaderValue>,
}

impl Responder {
    pub(crate) fn new(
        headers: &HeaderMap,
        mapper: Option<Arc<dyn MapError>>,
        reporter: Option<Reporter>,
    ) -> Self {
        let mut fields = headers.get_all(header::ACCEPT).iter().cloned();
        Self { accept: Accept { first: fields.next(), others: fields.collect() }, mapper, reporter }
    }

    /// Makes the response of a result.
    pub(crate) async fn respond(&self, result: HttpResult) -> HttpResponse {
        match result {
            Ok(response) => response,
            Err(error) => self.respond_to(error).await,
        }
    }

    /// Makes the response of an error. The error rides along in its extensions, for whoever logs
    /// it.
    pub(crate) async fn respond_to(&self, error: Error) -> HttpResponse {
        let error = self.decide(error);
        let retry_after = error.retry_after();
        let mut response = self.map(error).await;
        if let Some(time) = retry_after
            && response.status() == StatusCode::SERVICE_UNAVAILABLE
        {
            let seconds = time.as_secs().into();
            response.headers_mut().entry(header::RETRY_AFTER).or_insert(seconds);
        }
        response
    }

    async fn map(&self, error: Error) -> HttpResponse {
        let Some(mapper) = &self.mapper else { return self.plain(error) };
        let carried = error.clone();
        let mapped = CatchPanic::new(async move { mapper.map_error(error).await });
        match mapped.await.and_then(|result| result) {
            Ok(mut response) => {
                self.report(&carried, response.status());
                response.extensions_mut().insert(carried);
                response
            }
            Err(error) => {
                self.report(&carried, carried.status());
                self.plain(self.decide(error))
            }
        }
    }

    pub(crate) fn reporter(&self) -> Option<&Reporter> {
        self.reporter.as_ref()
    }

    /// The error with the status that its app has for it.
    fn decide(&self, error: Error) -> Error {
        match &self.reporter {
            Some(reporter) => reporter.decide(error),
            None => error,
        }
    }

    fn report(&self, error: &Error, status: StatusCode) {
        if let Some(reporter) = &self.reporter {
            reporter.report(error, status);
        }
    }

    fn plain(&self, error: Error) -> HttpResponse {
        self.report(&error, error.status());
        let problem = error.problem();
        // The problem's members are strings and numbers, unless the application added others; and
        // even those were JSON already.
        let form = Form::preferred(self.accept.first.iter().chain(&self.accept.others));
        let mut response = problem.respond(form).unwrap_or_else(|_| {
            let mut response = HttpResponse::default();
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        });
        response.extensions_mut().insert(error.clone());
        response
    }
}

//! `Responder`: turns the results of one request into responses.

use std::hint::cold_path;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::handler::box_future::BoxFuture;
use crate::response::body_error_report::{BodyErrorReporterBuilder, ReportContext};
use crate::response::box_error::BoxError;
use crate::response::catch_panic::{CatchPanic, catch};
use crate::response::error::Error;
use crate::response::error_format::ErrorFormat;
use crate::response::error_mapper::MapError;
use crate::response::into_response::{HttpResponse, HttpResult};
use crate::response::missing_headers::add_missing_headers;
use crate::response::missing_value::is_missing_value;
use crate::response::reporter::Reporter;
use crate::response::response_check::{
    ResponseOrigin, check_upgrade, errorless_failure, has_empty_body,
};
use crate::response::response_hooks::{ResponseHook, ResponseHooks};

/// Turns the results of one request into responses. It holds what it needs of the request, because
/// the request itself is consumed by then.
#[derive(Clone)]
pub(crate) struct Responder {
    /// Read only for an error response.
    accept: Accept,
    format: ErrorFormat,
    mapper: Option<Arc<dyn MapError>>,
    reporter: Option<Reporter>,
    /// A fallback responds to a missing value, so the mapper must not.
    has_missing_fallback: bool,
    /// The responder that this one was made from. Its hooks are those of the request.
    outer: Option<Arc<Responder>>,
    hooks: ResponseHooks,
}

/// The `Accept` fields of a request, as far as they choose a format. Most requests have one field,
/// which needs no `Vec`.
#[derive(Clone, Default)]
struct Accept {
    first: Option<HeaderValue>,
    others: Vec<HeaderValue>,
}

impl Accept {
    fn of(headers: &HeaderMap) -> Self {
        // Few fields are looked at more quickly than one is looked up.
        if headers.keys_len() <= 8 {
            let fields = headers.iter().filter(|(name, _)| **name == header::ACCEPT);
            return Self::of_fields(fields.map(|(_, value)| value));
        }
        Self::of_fields(headers.get_all(header::ACCEPT).iter())
    }

    #[inline]
    fn of_fields<'a>(mut fields: impl Iterator<Item = &'a HeaderValue>) -> Self {
        let Some(first) = fields.next() else { return Self::default() };
        let others: Vec<_> = fields.cloned().collect();
        // Many clients accept everything. That is the same as no field, and needs no copy.
        if others.is_empty() && first == "*/*" {
            return Self::default();
        }
        Self { first: Some(first.clone()), others }
    }
}

impl Responder {
    #[inline]
    pub(crate) fn new(
        headers: &HeaderMap,
        mapper: Option<Arc<dyn MapError>>,
        format: ErrorFormat,
        reporter: Option<Reporter>,
    ) -> Self {
        let accept = match format {
            ErrorFormat::ByAccept => Accept::of(headers),
            ErrorFormat::Problem | ErrorFormat::Text => Accept::default(),
        };
        Self {
            accept,
            format,
            mapper,
            reporter,
            has_missing_fallback: false,
            outer: None,
            hooks: ResponseHooks::default(),
        }
    }

    /// Returns a responder for an endpoint whose missing values get the response of a fallback.
    pub(crate) fn with_missing_fallback(self: Arc<Self>) -> Self {
        Self { has_missing_fallback: true, outer: Some(Arc::clone(&self)), ..(*self).clone() }
    }

    /// Adds a function that changes the headers of the response. Returns false if they are
    /// finished.
    pub(crate) fn add_hook(&self, hook: ResponseHook) -> bool {
        match &self.outer {
            Some(outer) => outer.add_hook(hook),
            None => self.hooks.add(hook),
        }
    }

    /// Lets the added functions change the headers of the response that the client gets.
    #[inline]
    pub(crate) fn run_hooks(self: &Arc<Self>, response: &mut HttpResponse) {
        let is_alone = Arc::strong_count(self) == 1;
        // Another thread may have added a function before it dropped its reference.
        fence(Ordering::Acquire);
        if self.hooks.is_unused(is_alone) {
            return;
        }
        cold_path();
        for hook in self.hooks.finish() {
            if let Err(panic) = catch(|| hook(response)) {
                self.report(&panic, response.status());
            }
        }
    }

    /// Turns a result into a response.
    pub(crate) async fn respond(&self, result: HttpResult, origin: ResponseOrigin) -> HttpResponse {
        match self.checked(result, origin) {
            Ok(response) => response,
            Err(error) => self.respond_to(error).await,
        }
    }

    /// Returns an error if the status of the response is not final.
    #[inline]
    pub(crate) fn check(
        &self,
        response: &HttpResponse,
        origin: ResponseOrigin,
    ) -> Result<(), Error> {
        if !response.status().is_informational() {
            return Ok(());
        }
        check_upgrade(response, origin, self.reporter.as_ref().and_then(Reporter::is_upgrade))
    }

    /// Returns the result, or an error if the status of the response is not final.
    #[inline]
    pub(crate) fn checked(&self, result: HttpResult, origin: ResponseOrigin) -> HttpResult {
        let response = result?;
        self.check(&response, origin).map(|()| response)
    }

    /// Checks the response that the client gets, after all middleware. A status that is not final
    /// is an error. So is a 500 that was not created from an error. If it has a body, it stays as
    /// it is, and is only reported.
    ///
    /// # Errors
    ///
    /// Returns an error whose response must replace this response.
    #[inline]
    pub(crate) fn check_last(&self, response: &mut HttpResponse) -> Result<(), Error> {
        match response.status() {
            StatusCode::INTERNAL_SERVER_ERROR => self.check_failure(response),
            _ => self.check(response, ResponseOrigin::Middleware),
        }
    }

    #[cold]
    fn check_failure(&self, response: &mut HttpResponse) -> Result<(), Error> {
        let Some(error) = errorless_failure(response) else { return Ok(()) };
        if has_empty_body(response) {
            return Err(error);
        }
        self.report(&error, response.status());
        response.extensions_mut().insert(error);
        Ok(())
    }

    /// Turns an error into the response that goes in the place of another. It keeps the headers of
    /// the other, such as those of CORS, but none that describe the body.
    pub(crate) async fn respond_instead(
        &self,
        error: Error,
        replaced: HttpResponse,
    ) -> HttpResponse {
        let response = self.respond_to(error).await;
        add_missing_headers(response, replaced.headers(), |name| {
            !name.as_str().starts_with("content-") && *name != header::TRANSFER_ENCODING
        })
    }

    /// Turns an error into a response, by a future of its own. In the future of a caller whose
    /// errors are rare, it takes less space.
    #[cold]
    pub(crate) fn respond_boxed(self: Arc<Self>, error: Error) -> BoxFuture<HttpResponse> {
        Box::pin(async move { self.respond_to(error).await })
    }

    /// Turns an error into a response. The extensions of the response hold the error, so that
    /// middleware can log it.
    pub(crate) async fn respond_to(&self, error: Error) -> HttpResponse {
        let error = match error.take_response() {
            None => error,
            Some(response) => match self.checked(Ok(response), ResponseOrigin::Handler) {
                Ok(response) => return response,
                Err(error) => error,
            },
        };
        let error = checked_status(self.apply_rules(error));
        let retry_after = error.retry_after();
        let headers = error.headers().cloned();
        let mut response = self.map(error).await;
        if let Some(headers) = headers {
            response = add_missing_headers(response, &headers, |_| true);
        }
        if let Some(time) = retry_after
            && response.status() == StatusCode::SERVICE_UNAVAILABLE
        {
            let seconds = time.as_secs().into();
            response.headers_mut().entry(header::RETRY_AFTER).or_insert(seconds);
        }
        response
    }

    /// Calls the mapper, if the app has one.
    async fn map(&self, error: Error) -> HttpResponse {
        let Some(mapper) = &self.mapper else { return self.respond_by_default(error) };
        if self.has_missing_fallback && is_missing_value(&error) {
            return self.respond_by_default(error);
        }
        let original = error.clone();
        let mapped = CatchPanic::new(async move { mapper.map_error(error).await });
        match self.checked(mapped.await, ResponseOrigin::ErrorMapper) {
            Ok(mut response) => {
                self.report(&original, response.status());
                response.extensions_mut().insert(original);
                response
            }
            Err(error) => {
                self.report(&original, original.status());
                self.respond_by_default(checked_status(self.apply_rules(error)))
            }
        }
    }

    /// Returns what creates the reporter of errors in a response body.
    #[inline]
    pub(crate) fn body_error_reporter(&self) -> BodyErrorReporterBuilder<'_> {
        let context = self.reporter.as_ref().map(|reporter| reporter as &dyn ReportContext);
        BodyErrorReporterBuilder::new(context)
    }

    /// Lets the app change the response of an endpoint, before middleware sees it.
    #[inline]
    pub(crate) fn finish(&self, response: &mut HttpResponse) {
        if let Some(watch) = self.reporter.as_ref().and_then(Reporter::response_watch) {
            watch.finish(response, &self.body_error_reporter());
        }
    }

    pub(crate) fn reporter(&self) -> Option<&Reporter> {
        self.reporter.as_ref()
    }

    /// Applies the app's rules for the status.
    fn apply_rules(&self, error: Error) -> Error {
        match &self.reporter {
            Some(reporter) => reporter.apply_rules(error),
            None => error,
        }
    }

    /// Reports a server error, unless it was reported before.
    pub(crate) fn report(&self, error: &Error, status: StatusCode) {
        if let Some(reporter) = &self.reporter {
            reporter.report(error, status);
        }
    }

    fn respond_by_default(&self, error: Error) -> HttpResponse {
        if error.status() == StatusCode::NO_CONTENT {
            let mut response = HttpResponse::default();
            *response.status_mut() = StatusCode::NO_CONTENT;
            response.extensions_mut().insert(error);
            return response;
        }
        self.report(&error, error.status());
        let problem = error.problem();
        // Serialization cannot fail: the members are strings, numbers, and values that were
        // converted to JSON before.
        let format = self.format.decide(self.accept.first.iter().chain(&self.accept.others));
        let mut response = problem.respond(format).unwrap_or_else(|_| {
            let mut response = HttpResponse::default();
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        });
        response.extensions_mut().insert(error.clone());
        response
    }
}

/// An error whose status is not one of an error.
#[derive(Debug, thiserror::Error)]
#[error("an error has the status {status}; use a status of 400 or more, or return a response")]
struct NotAnErrorStatus {
    status: StatusCode,
    source: BoxError,
}

/// Returns the error, or a server error if its status is below 400. Otherwise the client would take
/// the error for a success.
///
/// A rule may set 204, by which a server tells an `EventSource` to stop. Such a response is empty.
fn checked_status(error: Error) -> Error {
    let status = error.status();
    if status == StatusCode::NO_CONTENT && !error.is_status_set() {
        return error;
    }
    if status.is_client_error() || status.is_server_error() || status.as_u16() >= 600 {
        return error;
    }
    Error::server_error(NotAnErrorStatus { status, source: error.into_cause() })
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn the_kept_accept_fields_choose_the_format_that_all_of_them_choose(
            fields in vec(prop::sample::select(vec!["*/*", "text/html", "application/json;q=0.5", ""]), 0..4),
            others in 0..12_usize,
        ) {
            let mut headers = HeaderMap::new();
            for number in 0..others {
                let name: HeaderName = format!("x-{number}").parse().unwrap();
                headers.append(name, HeaderValue::from_static("*/*"));
            }
            for field in &fields {
                headers.append(header::ACCEPT, HeaderValue::from_static(field));
            }
            let kept = Accept::of(&headers);
            let kept = kept.first.iter().chain(&kept.others);
            let format = ErrorFormat::ByAccept;
            prop_assert_eq!(format.decide(kept), format.decide(headers.get_all(header::ACCEPT)));
        }
    }
}

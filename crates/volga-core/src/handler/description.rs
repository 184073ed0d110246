//! `Description`: how arguments, responses, endpoints and middleware describe themselves at
//! start-up (pure).

use http::{HeaderName, StatusCode};

use crate::services::needs::Needs;

/// Describes what an argument reads and which responses are possible.
///
/// [`FromRequestParts::describe`](crate::FromRequestParts::describe),
/// [`IntoResponse::describe`](crate::IntoResponse::describe) and the other `describe` functions
/// fill it in, once, before the first request. The checks at start-up read it. They find a service
/// that is not registered, or a handler with more path arguments than its pattern has.
/// [`Router::description`](crate::Router::description) returns the description of a whole route,
/// for example to generate a document from it.
///
/// An extractor that describes itself must describe everything that it reads, because the server
/// prepares nothing else for it. Without [`reads_extensions`](Self::reads_extensions) the server
/// may leave out its extensions. Without [`uses_service`](Self::uses_service) or
/// [`uses_cancellation`](Self::uses_cancellation) the request may have no scope and no token. An
/// extractor that does not describe itself may read and use [anything](Self::reads_anything).
///
/// ```
/// use http::{HeaderName, StatusCode};
/// use volga_core::{Dc, Description, Error, FromRequestParts, RequestParts};
///
/// struct Sessions;
/// struct User(String);
///
/// impl FromRequestParts for User {
///     fn describe(description: &mut Description) {
///         description
///             .reads_header(HeaderName::from_static("x-session"))
///             .uses_service::<Sessions>()
///             .responds(StatusCode::UNAUTHORIZED, &[]);
///     }
///
///     async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
///         let _sessions = Dc::<Sessions>::from_request_parts(parts).await?;
///         let session = parts.headers.get("x-session").and_then(|value| value.to_str().ok());
///         session
///             .map(|name| User(name.to_owned()))
///             .ok_or_else(|| Error::new(StatusCode::UNAUTHORIZED, "no session"))
///     }
/// }
///
/// let mut description = Description::new();
/// User::describe(&mut description);
/// assert_eq!(description.headers()[0].name, "x-session");
/// assert_eq!(description.responses()[0].status, Some(StatusCode::UNAUTHORIZED));
/// assert!(!description.are_extensions_read());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Description {
    path_args: usize,
    path_checks: Vec<PathCheck>,
    is_path_read: bool,
    is_query_read: bool,
    headers: Vec<DescribedHeader>,
    are_headers_read: bool,
    are_extensions_read: bool,
    body: Option<DescribedBody>,
    refuses_large_body: bool,
    needs: Needs,
    responses: Vec<DescribedResponse>,
    is_missing_possible: bool,
}

/// Returns why an argument does not fit a pattern whose arguments have these names.
pub(crate) type PathCheck = fn(&[&str]) -> Option<String>;

/// A header that an argument reads.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DescribedHeader {
    /// The name of the header.
    pub name: HeaderName,
    /// Whether a request without the header is refused.
    pub is_required: bool,
}

/// The body that an argument reads.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DescribedBody {
    /// The media types that the body may have, such as `application/json`. `*/*` means any.
    pub media_types: Vec<&'static str>,
    /// Whether a request without a body is refused.
    pub is_required: bool,
}

/// A response that a handler may give, or with which an argument refuses a request.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DescribedResponse {
    /// The status. `None` means any.
    pub status: Option<StatusCode>,
    /// The media types that the body may have. The list is empty for a response without a body, and
    /// `*/*` means any.
    pub media_types: Vec<&'static str>,
}

/// Any media type.
const ANY_MEDIA_TYPE: &str = "*/*";

/// The media types of error responses.
const ERROR_MEDIA_TYPES: [&str; 2] = ["application/problem+json", "text/plain"];

impl Description {
    /// Creates an empty description.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next path argument that no earlier argument has taken.
    pub fn reads_path_arg(&mut self) -> &mut Self {
        self.path_args += 1;
        self
    }

    /// Reads the path, or path arguments by their names.
    pub fn reads_path(&mut self) -> &mut Self {
        self.is_path_read = true;
        self
    }

    /// Adds a check of the names of the pattern's arguments.
    pub(crate) fn checks_path(&mut self, check: PathCheck) -> &mut Self {
        self.path_checks.push(check);
        self
    }

    /// Reads the query.
    pub fn reads_query(&mut self) -> &mut Self {
        self.is_query_read = true;
        self
    }

    /// Reads this header, and refuses a request without it. Use [`optional`](Self::optional) for a
    /// header that may be missing.
    pub fn reads_header(&mut self, name: HeaderName) -> &mut Self {
        self.headers.push(DescribedHeader { name, is_required: true });
        self
    }

    /// Reads any headers.
    pub fn reads_headers(&mut self) -> &mut Self {
        self.are_headers_read = true;
        self
    }

    /// Reads the body, which must have one of these media types. `*/*` means any.
    ///
    /// A body that is known to exceed its [limit](crate::BodyLimit) is then refused before the
    /// argument is extracted.
    pub fn reads_body(&mut self, media_types: &[&'static str]) -> &mut Self {
        let body = DescribedBody { media_types: media_types.to_vec(), is_required: true };
        self.body = Some(body);
        self.refuses_large_body = true;
        self
    }

    /// Reads the extensions of the request, which the server and middleware fill.
    pub fn reads_extensions(&mut self) -> &mut Self {
        self.are_extensions_read = true;
        self
    }

    /// May read everything in a request except the body.
    pub fn reads_head(&mut self) -> &mut Self {
        self.reads_path().reads_query().reads_headers().reads_extensions()
    }

    /// Uses the service [`Dc<T>`](crate::Dc).
    pub fn uses_service<T: ?Sized + 'static>(&mut self) -> &mut Self {
        self.needs.add_service::<T>();
        self
    }

    /// Uses the [`CancellationToken`](crate::CancellationToken).
    pub fn uses_cancellation(&mut self) -> &mut Self {
        self.needs.add_cancellation();
        self
    }

    /// May read everything in a request, and may use the token and any service. The checks at
    /// start-up cannot find a missing service then; the request fails when it asks for the service.
    pub fn reads_anything(&mut self) -> &mut Self {
        self.needs.add_anything();
        self.reads_head().reads_body(&[ANY_MEDIA_TYPE])
    }

    /// May respond with this status and a body of one of these media types. A status of 400 or more
    /// without a media type is an error response, which is sent as problem details or as text.
    pub fn responds(&mut self, status: StatusCode, media_types: &[&'static str]) -> &mut Self {
        let is_error = status.is_client_error() || status.is_server_error();
        let media_types = match media_types {
            [] if is_error => ERROR_MEDIA_TYPES.to_vec(),
            given => given.to_vec(),
        };
        self.response(Some(status), media_types)
    }

    /// May respond like an unknown path, because a value is missing.
    pub(crate) fn may_be_missing(&mut self) -> &mut Self {
        self.is_missing_possible = true;
        self.responds(StatusCode::NOT_FOUND, &[])
    }

    /// May respond with an error of any status.
    pub fn responds_error(&mut self) -> &mut Self {
        self.response(None, ERROR_MEDIA_TYPES.to_vec())
    }

    /// May respond with anything.
    pub fn responds_anything(&mut self) -> &mut Self {
        self.response(None, vec![ANY_MEDIA_TYPE])
    }

    /// Describes an optional argument. A request without its headers or without a body is not
    /// refused, and its services need not be registered.
    ///
    /// ```
    /// use http::header::ACCEPT_LANGUAGE;
    /// use volga_core::Description;
    ///
    /// let mut description = Description::new();
    /// description.optional(|inner| {
    ///     inner.reads_header(ACCEPT_LANGUAGE);
    /// });
    /// assert!(!description.headers()[0].is_required);
    /// ```
    pub fn optional(&mut self, describe: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::default();
        describe(&mut inner);
        inner.headers.iter_mut().for_each(|header| header.is_required = false);
        if let Some(body) = &mut inner.body {
            body.is_required = false;
        }
        inner.needs.make_optional();
        self.merge(inner)
    }

    /// Describes an argument whose error is passed to the handler. The error is not a response
    /// then, and a body that is too large is not refused before the handler runs.
    pub(crate) fn fallible(&mut self, describe: impl FnOnce(&mut Self)) -> &mut Self {
        self.optional(|inner| {
            describe(inner);
            inner.responses.clear();
            inner.path_checks.clear();
            inner.refuses_large_body = false;
        })
    }

    /// Describes an argument that gets only the head of a request. A body that it describes is
    /// ignored.
    pub(crate) fn head_only(&mut self, describe: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::default();
        describe(&mut inner);
        (inner.body, inner.refuses_large_body) = (None, false);
        self.merge(inner)
    }

    /// Describes middleware around an endpoint. Path arguments that the middleware takes by
    /// position do not count for the endpoint, because every function counts from the first one.
    pub(crate) fn around_endpoint(&mut self, describe: impl FnOnce(&mut Self)) {
        let path_args = self.path_args;
        describe(self);
        self.path_args = path_args;
    }

    /// Adds a description whose responses are changed by a function.
    pub(crate) fn map_responses(
        &mut self,
        describe: impl FnOnce(&mut Self),
        map: impl Fn(&mut DescribedResponse),
    ) {
        let mut inner = Self::default();
        describe(&mut inner);
        inner.responses.iter_mut().for_each(map);
        self.merge(inner);
    }

    fn merge(&mut self, other: Self) -> &mut Self {
        self.path_args += other.path_args;
        self.path_checks.extend(other.path_checks);
        self.is_path_read |= other.is_path_read;
        self.is_query_read |= other.is_query_read;
        self.headers.extend(other.headers);
        self.are_headers_read |= other.are_headers_read;
        self.are_extensions_read |= other.are_extensions_read;
        self.body = other.body.or(self.body.take());
        self.refuses_large_body |= other.refuses_large_body;
        self.needs.merge(&other.needs);
        self.is_missing_possible |= other.is_missing_possible;
        for DescribedResponse { status, media_types } in other.responses {
            self.response(status, media_types);
        }
        self
    }

    fn response(
        &mut self,
        status: Option<StatusCode>,
        media_types: Vec<&'static str>,
    ) -> &mut Self {
        let response = DescribedResponse { status, media_types };
        if !self.responses.contains(&response) {
            self.responses.push(response);
        }
        self
    }

    /// The number of path arguments that are taken by position.
    #[must_use]
    pub fn path_args(&self) -> usize {
        self.path_args
    }

    pub(crate) fn path_checks(&self) -> &[PathCheck] {
        &self.path_checks
    }

    /// Whether the path may be read, or path arguments by their names.
    #[must_use]
    pub fn is_path_read(&self) -> bool {
        self.is_path_read
    }

    /// Whether the query may be read.
    #[must_use]
    pub fn is_query_read(&self) -> bool {
        self.is_query_read
    }

    /// The headers that are read by their names.
    #[must_use]
    pub fn headers(&self) -> &[DescribedHeader] {
        &self.headers
    }

    /// Whether any other headers may be read.
    #[must_use]
    pub fn are_headers_read(&self) -> bool {
        self.are_headers_read
    }

    /// The body, if it is read.
    #[must_use]
    pub fn body(&self) -> Option<&DescribedBody> {
        self.body.as_ref()
    }

    /// Whether the extensions may be read.
    #[must_use]
    pub fn are_extensions_read(&self) -> bool {
        self.are_extensions_read
    }

    /// The possible responses.
    #[must_use]
    pub fn responses(&self) -> &[DescribedResponse] {
        &self.responses
    }

    pub(crate) fn refuses_large_body(&self) -> bool {
        self.refuses_large_body
    }

    pub(crate) fn is_missing_possible(&self) -> bool {
        self.is_missing_possible
    }

    pub(crate) fn needs(&self) -> &Needs {
        &self.needs
    }
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT;

    use super::*;

    #[test]
    fn an_optional_argument_is_not_required_but_its_services_count() {
        let mut description = Description::new();
        description.optional(|inner| {
            inner.reads_header(ACCEPT).reads_body(&["text/plain"]).uses_service::<u8>();
            inner.reads_path_arg().responds(StatusCode::UNAUTHORIZED, &[]);
        });
        assert!(!description.headers()[0].is_required && !description.body().unwrap().is_required);
        assert!(description.needs().services()[0].is_optional && description.needs().needs_scope());
        assert!(description.refuses_large_body() && description.path_args() == 1);
        assert_eq!(description.responses()[0].media_types, ERROR_MEDIA_TYPES);
    }

    #[test]
    fn an_error_that_the_handler_gets_is_not_a_response() {
        let mut description = Description::new();
        description.fallible(|inner| {
            inner.reads_body(&["text/plain"]).responds(StatusCode::BAD_REQUEST, &[]);
        });
        assert!(description.responses().is_empty() && !description.refuses_large_body());
        assert_eq!(description.body().unwrap().media_types, ["text/plain"]);
    }

    #[test]
    fn equal_responses_are_listed_once() {
        let mut description = Description::new();
        description.responds(StatusCode::OK, &[]).responds_anything();
        description.responds(StatusCode::OK, &[]).responds_anything();
        let statuses: Vec<_> =
            description.responses().iter().map(|response| response.status).collect();
        assert_eq!(statuses, [Some(StatusCode::OK), None]);
        assert!(description.responses()[0].media_types.is_empty());
    }
}

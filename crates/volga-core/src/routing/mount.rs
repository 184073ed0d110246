//! Tower services as endpoints, and what makes an endpoint one for everything below a prefix.

use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, Uri, header, uri::PathAndQuery};
use http_body::Body;
use tower_service::Service;

use crate::handler::description::Description;
use crate::handler::{BoxFuture, Endpoint, Finish};
use crate::request::body::{BoxError, HttpBody};
use crate::request::parts::{HttpRequest, RequestParts};
use crate::response::body_error_report::LateReporter;
use crate::response::catch_panic::CatchPanic;
use crate::response::error::Error;
use crate::response::into_response::{HttpResponse, IntoResponse};
use crate::response::responder::Responder;

/// A tower [`Service`] as an endpoint: a router of axum, the routes of tonic, `ServeDir`.
///
/// Each request is answered by a clone of the service, the same one that was asked whether it is
/// ready. The request keeps its extensions, and the response its extensions and trailers. An error
/// of the service is a server error: status 500, and reported. So is a panic.
///
/// The service gets an [`HttpBody`]. Where it wants a body of its own, `map_request` of tower's
/// `ServiceExt` makes one: `service.map_request(|request| request.map(MyBody::new))`.
///
/// A body whose `Content-Length` is beyond the [limit](crate::BodyLimit) is status 413, and the
/// service is not called.
pub struct ServiceEndpoint<S> {
    // A service need not be `Sync`.
    service: Mutex<S>,
}

impl<S, B> ServiceEndpoint<S>
where
    S: Service<HttpRequest, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Makes an endpoint of a service.
    pub fn new(service: S) -> Self {
        Self { service: Mutex::new(service) }
    }
}

impl<S, B> Endpoint for ServiceEndpoint<S>
where
    S: Service<HttpRequest, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn describe(&self, description: &mut Description) {
        description.reads_head().reads_body(&["*/*"]).responds_anything();
    }

    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let responder = parts.responder();
        let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            let answer = CatchPanic::new(async move {
                body.check_limit()?;
                poll_fn(|cx| service.poll_ready(cx)).await.map_err(Error::of_service)?;
                let request = HttpRequest::from_parts(parts.into_head(), body);
                service.call(request).await.map_err(Error::of_service)?.into_response()
            });
            let result = answer.await.and_then(|result| result);
            responder.respond(result).await
        })
    }
}

impl<S> fmt::Debug for ServiceEndpoint<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceEndpoint").finish_non_exhaustive()
    }
}

/// An endpoint whose responses are [finished](Finish), and whose panics are server errors.
pub struct Finished<E, Last> {
    endpoint: E,
    last: Last,
}

impl<E: Endpoint, Last: Finish> Finished<E, Last> {
    /// Has this done to each response of the endpoint at last.
    pub fn new(endpoint: E, last: Last) -> Self {
        Self { endpoint, last }
    }
}

impl<E: Endpoint, Last: Finish> Endpoint for Finished<E, Last> {
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let (responder, last) = (parts.responder(), self.last.clone());
        let response = CatchPanic::call(|| self.endpoint.call(parts, body));
        Box::pin(async move {
            let mut response = caught(response, &responder).await;
            last.finish(&mut response, LateReporter::new(&responder));
            response
        })
    }

    fn describe(&self, description: &mut Description) {
        self.endpoint.describe(description);
    }
}

/// Waits for the response of an endpoint that may panic, or may have panicked already.
async fn caught(
    response: Result<BoxFuture<HttpResponse>, Error>,
    responder: &Arc<Responder>,
) -> HttpResponse {
    let result = match response {
        Ok(response) => CatchPanic::new(response).await,
        Err(panic) => Err(panic),
    };
    responder.respond(result).await
}

impl<E, Last> fmt::Debug for Finished<E, Last> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finished").finish_non_exhaustive()
    }
}

/// The URI of a request as it came, in the extensions of the request: before middleware [before
/// routing](crate::Router::add_before_routing) changed it, and before the prefix of a mounted
/// service was removed from its path. Where neither is, there is no such extension. Where one
/// router is mounted in another, it is the URI that the outermost one saw.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OriginalUri(pub Uri);

/// An endpoint that sees paths without their prefix.
///
/// `/files/a%20b?x=1` is `/a%20b?x=1` where the prefix `/files` is removed, and `/files` is `/`.
/// Query and percent-encoding stay as they are. The request has the [`OriginalUri`] in its
/// extensions.
///
/// The endpoint does not know its prefix, so the prefix is added to the `Location` of its
/// responses with a status of 3xx or 201, where that is a path (`/dir/`), or a URI whose scheme and
/// authority are those of the request. A relative `Location` (`../dir/`), and a URI of another
/// server, stay as they are.
pub struct StripPrefix<E> {
    /// How many segments the prefix has.
    depth: usize,
    endpoint: E,
}

impl<E: Endpoint> StripPrefix<E> {
    /// Removes so many segments from the path of each request.
    pub fn new(depth: usize, endpoint: E) -> Self {
        Self { depth, endpoint }
    }
}

impl<E: Endpoint> Endpoint for StripPrefix<E> {
    fn call(&self, mut parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let Some((prefix, stripped)) = split(&parts.uri, self.depth) else {
            return self.endpoint.call(parts, body);
        };
        let original = std::mem::replace(&mut parts.uri, stripped);
        let is_path = parts.uri.path().starts_with("//");
        let base = Base { prefix, origin: origin(&original), double_slash_is_path: is_path };
        if parts.extensions.get::<OriginalUri>().is_none() {
            parts.extensions.insert(OriginalUri(original));
        }
        let response = self.endpoint.call(parts, body);
        Box::pin(async move {
            let mut response = response.await;
            base.complete(&mut response);
            response
        })
    }

    fn describe(&self, description: &mut Description) {
        self.endpoint.describe(description);
    }
}

impl<E> fmt::Debug for StripPrefix<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripPrefix").field("depth", &self.depth).finish_non_exhaustive()
    }
}

/// The prefix of a URI with so many segments, and the URI without it; `None` where nothing is
/// removed.
fn split(uri: &Uri, depth: usize) -> Option<(String, Uri)> {
    let path = uri.path();
    // The prefix ends before the slash that comes after its last segment.
    let end = path.match_indices('/').nth(depth).map_or(path.len(), |(at, _)| at);
    let (prefix, rest) = path.split_at(end);
    if prefix.is_empty() {
        return None;
    }
    let rest = if rest.is_empty() { "/" } else { rest };
    let text = match uri.query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Some((prefix.to_owned(), Uri::from_parts(parts).ok()?))
}

/// The scheme and the authority of a URI, where it has them.
fn origin(uri: &Uri) -> Option<String> {
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}

/// What comes before the paths that a mounted endpoint knows.
struct Base {
    prefix: String,
    origin: Option<String>,
    /// The path that the endpoint saw begins with two slashes. A location that does so, too, was
    /// made of that path, and without the prefix it would lead to another server.
    double_slash_is_path: bool,
}

impl Base {
    fn complete(&self, response: &mut HttpResponse) {
        if !response.status().is_redirection() && response.status() != StatusCode::CREATED {
            return;
        }
        if let Some(location) = response.headers_mut().get_mut(header::LOCATION)
            && let Some(completed) = location.to_str().ok().and_then(|text| self.completed(text))
            && let Ok(completed) = HeaderValue::from_str(&completed)
        {
            *location = completed;
        }
    }

    /// A location with the prefix; `None` for one that stays as it is.
    fn completed(&self, location: &str) -> Option<String> {
        let (origin, path) = match &self.origin {
            Some(origin) if location.starts_with(&**origin) => location.split_at(origin.len()),
            _ => ("", location),
        };
        // `//host/path` is at another server.
        let is_path =
            path.starts_with('/') && (self.double_slash_is_path || !path.starts_with("//"));
        is_path.then(|| format!("{origin}{}{path}", self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_removed_and_all_else_stays() {
        for (uri, depth, prefix, rest) in [
            ("/files/a%20b/c?x=%31&y", 1, "/files", "/a%20b/c?x=%31&y"),
            ("/files", 1, "/files", "/"),
            ("/files/", 1, "/files", "/"),
            ("/files?x", 1, "/files", "/?x"),
            ("/files//x/", 1, "/files", "//x/"),
            ("/t/%2F/files/x", 3, "/t/%2F/files", "/x"),
            ("http://host:80/files/x?y", 1, "/files", "http://host:80/x?y"),
        ] {
            let (found, stripped) = split(&uri.parse().unwrap(), depth).unwrap();
            assert_eq!((&*found, &*stripped.to_string()), (prefix, rest), "{uri}");
        }
        assert!(split(&"/a/b".parse().unwrap(), 0).is_none());
    }

    #[test]
    fn the_prefix_is_added_to_locations_at_this_server() {
        let base = |origin: Option<&str>| Base {
            prefix: "/files".to_owned(),
            origin: origin.map(str::to_owned),
            double_slash_is_path: false,
        };
        for (origin, location, expect) in [
            (None, "/dir/?x#y", Some("/files/dir/?x#y")),
            (None, "/files/", Some("/files/files/")),
            (None, "dir/", None),
            (None, "../dir/", None),
            (None, "//other/dir/", None),
            (None, "http://host/dir/", None),
            (Some("http://host"), "/dir/", Some("/files/dir/")),
            (Some("http://host"), "http://host/dir/", Some("http://host/files/dir/")),
            (Some("http://host"), "http://host.other/dir/", None),
            (Some("http://host"), "https://host/dir/", None),
        ] {
            assert_eq!(base(origin).completed(location).as_deref(), expect, "{location}");
        }
        let double = Base { double_slash_is_path: true, ..base(None) };
        assert_eq!(double.completed("//evil/dir/").as_deref(), Some("/files//evil/dir/"));
    }
}

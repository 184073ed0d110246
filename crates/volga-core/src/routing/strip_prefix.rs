//! `StripPrefix`: an endpoint for everything below a prefix.

use std::fmt;

use http::header;
use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode, Uri};

use crate::handler::box_future::BoxFuture;
use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::original_uri::OriginalUri;
use crate::request::parts::{Endpoint, RequestParts};
use crate::response::into_response::HttpResponse;

/// An endpoint that gets the path of each request without a prefix.
///
/// With the prefix `/files`, the endpoint gets `/a%20b?x=1` for `/files/a%20b?x=1`, and `/` for
/// `/files`. The query and the percent-encoding stay as they are. The extensions of the request
/// hold the [`OriginalUri`].
///
/// The endpoint does not know its prefix, so the prefix is added to the `Location` of responses
/// with a status of 3xx or 201. That happens if `Location` is a path (`/dir/`), or a URI with the
/// scheme and the authority of the request. A relative `Location` (`../dir/`) and a URI of another
/// server stay as they are.
pub struct StripPrefix<E> {
    /// The number of segments of the prefix.
    depth: usize,
    endpoint: E,
}

impl<E: Endpoint> StripPrefix<E> {
    /// Removes `depth` segments from the path of each request.
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
        let base = MountBase { prefix, origin: origin(&original), double_slash_is_path: is_path };
        if parts.extensions.get::<OriginalUri>().is_none() {
            parts.extensions.insert(OriginalUri(original));
        }
        let response = self.endpoint.call(parts, body);
        Box::pin(async move {
            let mut response = response.await;
            base.add_prefix(&mut response);
            response
        })
    }

    fn describe(&self, description: &mut Description) {
        self.endpoint.describe(description);
    }

    fn catches_panics(&self) -> bool {
        self.endpoint.catches_panics()
    }
}

impl<E> fmt::Debug for StripPrefix<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripPrefix").field("depth", &self.depth).finish_non_exhaustive()
    }
}

/// Splits a URI into a prefix of `depth` segments and the URI without that prefix. Returns `None`
/// if there is nothing to remove.
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

/// Adds a prefix to the `Location` of a response, if its status is 3xx or 201. `uri` is the URI of
/// the request, without the prefix. A proxy in front of the app may remove such a prefix.
///
/// The rules are those of [`StripPrefix`]: a path, and a URI with the scheme and the authority of
/// the request, get the prefix. Everything else stays as it is.
pub fn prefix_location(response: &mut HttpResponse, prefix: &str, uri: &Uri) {
    let double_slash_is_path = uri.path().starts_with("//");
    let base = MountBase { prefix: prefix.to_owned(), origin: origin(uri), double_slash_is_path };
    base.add_prefix(response);
}

/// The scheme and the authority of a URI, if it has both.
fn origin(uri: &Uri) -> Option<String> {
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}

/// The part of a URI that comes before the paths that a mounted endpoint knows.
struct MountBase {
    prefix: String,
    origin: Option<String>,
    /// The path that the endpoint got starts with two slashes. A `Location` that starts with two
    /// slashes was then built from that path, and without the prefix it would name another server.
    double_slash_is_path: bool,
}

impl MountBase {
    /// Adds the prefix to the `Location` of a response.
    fn add_prefix(&self, response: &mut HttpResponse) {
        if !response.status().is_redirection() && response.status() != StatusCode::CREATED {
            return;
        }
        if let Some(location) = response.headers_mut().get_mut(header::LOCATION)
            && let Some(text) = location.to_str().ok().and_then(|text| self.with_prefix(text))
            && let Ok(value) = HeaderValue::from_str(&text)
        {
            *location = value;
        }
    }

    /// Returns the location with the prefix, or `None` if the location stays as it is.
    fn with_prefix(&self, location: &str) -> Option<String> {
        let (origin, path) = match &self.origin {
            Some(origin) if location.starts_with(&**origin) => location.split_at(origin.len()),
            _ => ("", location),
        };
        // `//host/path` names another server.
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
        let base = |origin: Option<&str>| MountBase {
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
            assert_eq!(base(origin).with_prefix(location).as_deref(), expect, "{location}");
        }
        let double = MountBase { double_slash_is_path: true, ..base(None) };
        assert_eq!(double.with_prefix("//evil/dir/").as_deref(), Some("/files//evil/dir/"));
    }
}

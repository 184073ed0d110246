//! `OriginalUri`: the URI that the client sent.

use http::Uri;

/// The URI of a request as the client sent it, in the extensions of the request.
///
/// The extension exists only where the request has another URI now: where middleware runs [before
/// routing](crate::Router::add_before_routing), and in a mounted service, whose prefix is removed
/// from the path. If one router is mounted in another, this is the URI that the outermost router
/// saw. If a trusted proxy has removed a prefix from the path, this has the prefix.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OriginalUri(pub Uri);

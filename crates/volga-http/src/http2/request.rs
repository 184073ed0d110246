//! Checks and completes the head of a request, as far as `h2` does not. Pure.
//!
//! `h2` itself refuses requests that break the protocol: pseudo-header fields that are missing,
//! repeated, misplaced or malformed, fields that HTTP/2 forbids, and DATA that contradicts
//! `content-length`.

use h2::ext::Protocol;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};

use crate::exchange::request_fields;
use crate::exchange::tunnel::TunnelOffer;

/// Completes the head, or returns the status with which to refuse the request.
pub(super) fn check(head: &mut Parts) -> Result<(), StatusCode> {
    if head.method == Method::CONNECT {
        // An ordinary CONNECT asks for a proxy. An extended one (RFC 8441) names a protocol.
        let Some(protocol) = head.extensions.remove::<Protocol>() else {
            return Err(StatusCode::NOT_IMPLEMENTED);
        };
        let protocol =
            HeaderValue::from_str(protocol.as_str()).map_err(|_| StatusCode::BAD_REQUEST)?;
        head.extensions.insert(TunnelOffer::connect(protocol));
    }
    request_fields::check(head)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn an_ordinary_connect_is_not_implemented_and_an_extended_one_is_an_offer() {
        let request = Request::connect("a:80").body(()).expect("a request");
        let (mut head, ()) = request.into_parts();
        assert_eq!(super::check(&mut head), Err(StatusCode::NOT_IMPLEMENTED));

        let request = Request::connect("http://a/chat");
        let request = request.extension(Protocol::from("websocket")).body(()).expect("a request");
        let (mut head, ()) = request.into_parts();
        assert_eq!(super::check(&mut head), Ok(()));
        assert!(head.extensions.get::<TunnelOffer>().is_some_and(|offer| offer.has("websocket")));
    }
}

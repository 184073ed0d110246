//! Responds to requests over plain HTTP with a redirect to HTTPS.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::Ipv6Addr,
    task::{Context, Poll},
};

use http::{
    HeaderValue, Request, Response, StatusCode, Uri,
    header::{CONTENT_TYPE, HOST, LOCATION},
    uri::Authority,
};
use tower_service::Service;
use volga_core::{HttpBody, HttpResponse};

/// The port that a URL with `https` need not name.
const DEFAULT_HTTPS_PORT: u16 = 443;

/// Redirects every request to the same host, path and query over HTTPS, at this port.
#[derive(Clone, Debug)]
pub(crate) struct RedirectService {
    pub(crate) port: u16,
}

impl<B> Service<Request<B>> for RedirectService {
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = Ready<Result<HttpResponse, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        ready(Ok(respond(request.uri(), host, self.port)))
    }
}

fn respond(uri: &Uri, host: Option<&str>, port: u16) -> HttpResponse {
    let location = location(uri, host, port).and_then(|url| HeaderValue::try_from(url).ok());
    let mut response = Response::new(HttpBody::empty());
    match location {
        Some(location) => {
            *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
            response.headers_mut().insert(LOCATION, location);
        }
        None => {
            *response.status_mut() = StatusCode::BAD_REQUEST;
            let text = HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, text);
            *response.body_mut() = "the request names no valid host\n".into();
        }
    }
    response
}

/// The URL to which a request is redirected. `None` if it names no valid host.
fn location(uri: &Uri, host: Option<&str>, port: u16) -> Option<String> {
    let of_header = || host?.parse::<Authority>().ok();
    let authority = uri.authority().cloned().or_else(of_header)?;
    let host = authority.host();
    if authority.as_str().contains('@') || !is_host(host) {
        return None;
    }
    let path = match uri.path_and_query().map_or("/", |path| path.as_str()) {
        // `OPTIONS *` asks about the server.
        "*" | "" => "/",
        path => path,
    };
    Some(match port {
        DEFAULT_HTTPS_PORT => format!("https://{host}{path}"),
        port => format!("https://{host}:{port}{path}"),
    })
}

/// Whether it is a name or an address that every client reads in the same way.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !host.is_empty() && host.len() <= 253 && host.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(target: &str, host: Option<&str>, port: u16, expect: Option<&str>) {
        let uri: Uri = target.parse().unwrap();
        assert_eq!(location(&uri, host, port).as_deref(), expect, "{target} {host:?} {port}");
    }

    #[test]
    fn host_path_and_query_stay_and_the_port_is_that_of_https() {
        for (target, host, expect) in [
            ("/", "a.example", "https://a.example/"),
            ("/a/b?c=d&e=%20", "a.example:80", "https://a.example/a/b?c=d&e=%20"),
            ("/?", "A.example:8080", "https://A.example/?"),
            ("//other.example/x", "a.example", "https://a.example//other.example/x"),
            ("/", "192.0.2.1", "https://192.0.2.1/"),
            ("/x", "[2001:db8::1]:80", "https://[2001:db8::1]/x"),
            ("*", "a.example", "https://a.example/"),
            // The target goes before the header, as in routing.
            ("http://b.example:80/x?y", "b.example:80", "https://b.example/x?y"),
        ] {
            check(target, Some(host), 443, Some(expect));
            let with_port = {
                let (scheme, rest) = expect.split_at("https://".len());
                let end = rest.find('/').unwrap();
                format!("{scheme}{}:8443{}", &rest[..end], &rest[end..])
            };
            check(target, Some(host), 8443, Some(&with_port));
        }
    }

    #[test]
    fn a_bad_host_is_refused() {
        check("/", None, 443, None);
        for host in [
            "",
            ":80",
            "user@a.example",
            "a.example/x",
            "a b",
            "a.example,b.example",
            "a%2fb",
            "[::1",
            "[x]",
            "a\u{e9}",
            "(a)",
            &"a".repeat(254),
        ] {
            check("/", Some(host), 443, None);
        }
        check("http://user@a.example/", Some("a.example"), 443, None);
    }
}

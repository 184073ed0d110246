//! What an app says when it starts: where it listens, and its routes. Pure.

use std::{fmt::Write, net::SocketAddr};

use http::Method;

/// Whether to use colours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Style {
    Plain,
    Colour,
}

/// The greeting, a line for each address and each route.
pub(crate) fn greeting<'a>(
    addresses: &[SocketAddr],
    routes: impl Iterator<Item = (&'a Method, &'a str)>,
    style: Style,
) -> String {
    let (bold, faint, reset) = match style {
        Style::Plain => ("", "", ""),
        Style::Colour => ("\x1b[1m", "\x1b[2m", "\x1b[0m"),
    };
    let mut text = format!("\n  {bold}Volga{reset} {} listens on\n", env!("CARGO_PKG_VERSION"));
    for url in urls(addresses) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    {bold}{url}{reset}");
    }
    let routes: Vec<_> = routes.collect();
    let width = routes.iter().map(|(method, _)| method.as_str().len()).max().unwrap_or(0);
    for (method, pattern) in routes {
        let _ = writeln!(text, "    {faint}{:width$}{reset} {pattern}", method.as_str());
    }
    text.push_str("  Ctrl-C ends it.\n");
    text
}

/// Both loopback addresses on one port are what people know as localhost.
fn urls(addresses: &[SocketAddr]) -> Vec<String> {
    let mut urls = Vec::new();
    for address in addresses {
        let twin = |other: &SocketAddr| {
            other.port() == address.port() && other.is_ipv4() != address.is_ipv4()
        };
        let is_localhost = |address: &SocketAddr| address.ip().is_loopback();
        let url = if is_localhost(address)
            && addresses.iter().any(|other| twin(other) && is_localhost(other))
        {
            format!("http://localhost:{}", address.port())
        } else {
            format!("http://{address}")
        };
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    urls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_addresses_and_routes() {
        let addresses =
            ["127.0.0.1:7878", "[::1]:7878", "10.0.0.1:80"].map(|text| text.parse().unwrap());
        let routes = [(&Method::GET, "/events"), (&Method::DELETE, "/a/{id}")];
        let text = greeting(&addresses, routes.into_iter(), Style::Plain);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[2..],
            [
                "    http://localhost:7878",
                "    http://10.0.0.1:80",
                "    GET    /events",
                "    DELETE /a/{id}",
                "  Ctrl-C ends it.",
            ]
        );
        assert!(!text.contains('\x1b'));
        assert!(greeting(&addresses, [].into_iter(), Style::Colour).contains("\x1b[1m"));
    }
}

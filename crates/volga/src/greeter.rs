//! The greeting of an app when it starts: its addresses and its routes (pure).

use std::{fmt::Write, net::SocketAddr};

use volga_core::RouteMethod;

use crate::bound::BoundAddress;

/// Whether to use colours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Style {
    Plain,
    Colour,
}

/// Returns the greeting, with one line for each address and each route. Each address comes with the
/// scheme of its URLs.
pub(crate) fn greeting<'a>(
    addresses: &[(&str, BoundAddress)],
    routes: impl Iterator<Item = (&'a RouteMethod, &'a str)>,
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
    text.push_str("  Press Ctrl-C to stop it.\n");
    text
}

/// Returns the URLs of the addresses. Both loopback addresses with one port become `localhost`.
fn urls(addresses: &[(&str, BoundAddress)]) -> Vec<String> {
    let tcp = || {
        addresses.iter().filter_map(|(scheme, address)| match address {
            BoundAddress::Tcp(address) => Some((scheme, address)),
            _ => None,
        })
    };
    let mut urls = Vec::new();
    for (scheme, address) in addresses {
        let url = match address {
            BoundAddress::Tcp(address) => {
                let is_twin = |(other_scheme, other): (&&str, &SocketAddr)| {
                    other_scheme == scheme
                        && other.port() == address.port()
                        && other.is_ipv4() != address.is_ipv4()
                        && other.ip().is_loopback()
                };
                if address.ip().is_loopback() && tcp().any(is_twin) {
                    format!("{scheme}://localhost:{}", address.port())
                } else {
                    format!("{scheme}://{address}")
                }
            }
            other => other.to_string(),
        };
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    urls
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[test]
    fn the_greeting_has_addresses_and_routes() {
        let tcp = |scheme, text: &str| (scheme, BoundAddress::Tcp(text.parse().unwrap()));
        let addresses = [
            tcp("https", "127.0.0.1:7878"),
            tcp("https", "[::1]:7878"),
            tcp("http", "10.0.0.1:80"),
            ("http", BoundAddress::Other("unix:/run/app.sock".to_owned())),
        ];
        let [get, delete] = [Method::GET, Method::DELETE].map(RouteMethod::from);
        let routes = [(&get, "/events"), (&delete, "/a/{id}")];
        let text = greeting(&addresses, routes.into_iter(), Style::Plain);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[2..],
            [
                "    https://localhost:7878",
                "    http://10.0.0.1:80",
                "    unix:/run/app.sock",
                "    GET    /events",
                "    DELETE /a/{id}",
                "  Press Ctrl-C to stop it.",
            ]
        );
        assert!(!text.contains('\x1b'));
        assert!(greeting(&addresses, [].into_iter(), Style::Colour).contains("\x1b[1m"));
    }
}

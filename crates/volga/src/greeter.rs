//! What an app says when it starts: where it listens, and its routes. Pure.

use std::{fmt::Write, net::SocketAddr};

use volga_core::RouteMethod;
use volga_http::Listener;

/// Whether to use colours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Style {
    Plain,
    Colour,
}

/// Where an app listens.
#[derive(Debug)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    /// Anything else, as it is bound.
    Other(String),
}

impl From<&Listener> for Place {
    fn from(listener: &Listener) -> Self {
        listener.tcp_addr().map_or_else(|| Self::Other(listener.to_string()), Self::Tcp)
    }
}

/// The greeting, a line for each address and each route.
pub(crate) fn greeting<'a>(
    places: &[Place],
    routes: impl Iterator<Item = (&'a RouteMethod, &'a str)>,
    style: Style,
) -> String {
    let (bold, faint, reset) = match style {
        Style::Plain => ("", "", ""),
        Style::Colour => ("\x1b[1m", "\x1b[2m", "\x1b[0m"),
    };
    let mut text = format!("\n  {bold}Volga{reset} {} listens on\n", env!("CARGO_PKG_VERSION"));
    for url in urls(places) {
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
fn urls(places: &[Place]) -> Vec<String> {
    let tcp = || {
        places.iter().filter_map(|place| match place {
            Place::Tcp(address) => Some(address),
            Place::Other(_) => None,
        })
    };
    let mut urls = Vec::new();
    for place in places {
        let url = match place {
            Place::Other(text) => text.clone(),
            Place::Tcp(address) => {
                let is_twin = |other: &SocketAddr| {
                    other.port() == address.port()
                        && other.is_ipv4() != address.is_ipv4()
                        && other.ip().is_loopback()
                };
                if address.ip().is_loopback() && tcp().any(is_twin) {
                    format!("http://localhost:{}", address.port())
                } else {
                    format!("http://{address}")
                }
            }
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
    fn it_names_addresses_and_routes() {
        let tcp = |text: &str| Place::Tcp(text.parse().unwrap());
        let places = [
            tcp("127.0.0.1:7878"),
            tcp("[::1]:7878"),
            tcp("10.0.0.1:80"),
            Place::Other("unix:/run/app.sock".to_owned()),
        ];
        let [get, delete] = [Method::GET, Method::DELETE].map(RouteMethod::from);
        let routes = [(&get, "/events"), (&delete, "/a/{id}")];
        let text = greeting(&places, routes.into_iter(), Style::Plain);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[2..],
            [
                "    http://localhost:7878",
                "    http://10.0.0.1:80",
                "    unix:/run/app.sock",
                "    GET    /events",
                "    DELETE /a/{id}",
                "  Ctrl-C ends it.",
            ]
        );
        assert!(!text.contains('\x1b'));
        assert!(greeting(&places, [].into_iter(), Style::Colour).contains("\x1b[1m"));
    }
}

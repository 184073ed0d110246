//! The rows of the tables: each proxy with its configuration file, and with changes to that file.

use super::{client::Protocol, programs::Program};

/// A configuration: the file of the program, with changes.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) program: Program,
    /// The name of the changes in the guide's table. Empty if the file has no changes.
    pub(crate) label: &'static str,
    /// Each text of the file that is replaced, and its replacement.
    edits: &'static [(&'static str, &'static str)],
    pub(crate) protocol: Protocol,
}

const fn http1(
    program: Program,
    label: &'static str,
    edits: &'static [(&'static str, &'static str)],
) -> Row {
    Row { program, label, edits, protocol: Protocol::Http1 }
}

const fn http2(
    program: Program,
    label: &'static str,
    edits: &'static [(&'static str, &'static str)],
) -> Row {
    Row { program, label, edits, protocol: Protocol::Http2 }
}

const NGINX_HTTP2: (&str, &str) = ("127.0.0.1:8080;", "127.0.0.1:8080 http2;");
const HAPROXY_HTTP2: (&str, &str) = ("127.0.0.1:8080", "127.0.0.1:8080 proto h2");
const HAPROXY_NO_ABORT: (&str, &str) = ("    option abortonclose\n", "");
const HAPROXY_SERVER: (&str, &str) = ("127.0.0.1:7878 ", "127.0.0.1:7878 proto h2 ");
const APACHE_HTTP2: (&str, &str) =
    ("<VirtualHost 127.0.0.1:8080>\n", "<VirtualHost 127.0.0.1:8080>\n    Protocols h2c\n");
/// The guide quotes the first part.
const VARNISH_PIPE: &str = "\
sub vcl_recv {
    if (req.url ~ \"^/events\") {
        return (pipe);
    }
}

backend volga";
const CADDY_SERVER: (&str, &str) = ("reverse_proxy 127", "reverse_proxy h2c://127");

/// The configurations of which everything is measured.
pub(crate) const FULL: &[Row] = &[
    http1(Program::Nginx, "", &[]),
    http2(Program::Nginx, "`listen … http2`", &[NGINX_HTTP2]),
    http1(
        Program::Nginx,
        "without `proxy_http_version 1.1`",
        &[("        proxy_http_version 1.1;\n", "")],
    ),
    http1(Program::Haproxy, "", &[]),
    http2(Program::Haproxy, "`bind … proto h2`", &[HAPROXY_HTTP2]),
    http1(Program::Haproxy, "without `option abortonclose`", &[HAPROXY_NO_ABORT]),
    http2(
        Program::Haproxy,
        "`bind … proto h2`, without `option abortonclose`",
        &[HAPROXY_HTTP2, HAPROXY_NO_ABORT],
    ),
    http1(Program::Haproxy, "`server … proto h2`", &[HAPROXY_SERVER]),
    http2(
        Program::Haproxy,
        "`bind … proto h2`, `server … proto h2`",
        &[HAPROXY_HTTP2, HAPROXY_SERVER],
    ),
    http1(Program::Caddy, "", &[]),
    http2(Program::Caddy, "`protocols h1 h2c`", &[]),
    http1(Program::Caddy, "`reverse_proxy h2c://…`", &[CADDY_SERVER]),
    http1(Program::Apache, "", &[]),
    http2(Program::Apache, "`Protocols h2c`", &[APACHE_HTTP2]),
    http1(
        Program::Apache,
        "`ProxyPass … h2c://…`",
        &[("http://127.0.0.1:7878/", "h2c://127.0.0.1:7878/")],
    ),
    http1(Program::Varnish, "", &[]),
    http2(Program::Varnish, "`feature=+http2`", &[]),
    http1(Program::Varnish, "`return (pipe)`", &[("backend volga", VARNISH_PIPE)]),
    http1(Program::Node, "", &[]),
];

/// Settings that may hold events back, with our headers and without them.
pub(crate) const TRAPS: &[Row] = &[
    http1(Program::Nginx, "the file as it is: `proxy_buffering` is on", &[]),
    http1(
        Program::Nginx,
        "`proxy_ignore_headers X-Accel-Buffering`",
        &[("proxy_pass", "proxy_ignore_headers X-Accel-Buffering;\n        proxy_pass")],
    ),
    http1(
        Program::Nginx,
        "without `proxy_http_version 1.1`",
        &[("        proxy_http_version 1.1;\n", "")],
    ),
    http1(
        Program::Nginx,
        "without `proxy_http_version 1.1`, `proxy_ignore_headers X-Accel-Buffering`",
        &[("proxy_http_version 1.1", "proxy_ignore_headers X-Accel-Buffering")],
    ),
    http1(
        Program::Nginx,
        "`gzip on`, `gzip_types text/event-stream`",
        &[(
            "proxy_pass",
            "gzip on;\n        gzip_proxied any;\n        gzip_types text/event-stream;\n        proxy_pass",
        )],
    ),
    http1(
        Program::Haproxy,
        "without `option http-no-delay`",
        &[("    option http-no-delay\n", "")],
    ),
    http1(
        Program::Haproxy,
        "`compression algo gzip`",
        &[("    http-request", "    compression algo gzip\n    http-request")],
    ),
    http1(
        Program::Caddy,
        "`encode gzip`",
        &[("\treverse_proxy", "\tencode gzip\n\treverse_proxy")],
    ),
    http1(
        Program::Apache,
        "`SetOutputFilter DEFLATE`",
        &[("    ProxyPass ", "    SetOutputFilter DEFLATE\n    ProxyPass ")],
    ),
    http1(Program::Varnish, "the file as it is", &[]),
    http1(
        Program::Varnish,
        "`set beresp.do_gzip = true`",
        &[(
            "backend volga",
            "sub vcl_backend_response {\n    set beresp.do_gzip = true;\n}\n\nbackend volga",
        )],
    ),
    http1(Program::Node, "the file as it is: `compression()`", &[]),
];

impl Row {
    /// The configuration with the changes.
    ///
    /// # Panics
    /// A change does not fit the file.
    pub(crate) fn configuration(&self) -> String {
        let (name, text) = self.program.file();
        let mut text = text.to_owned();
        for (from, to) in self.edits {
            assert_eq!(text.matches(from).count(), 1, "{from:?} in {name}");
            text = text.replace(from, to);
        }
        text
    }

    /// The name of the row in messages.
    pub(crate) fn name(&self) -> String {
        match self.label {
            "" => self.program.name().to_owned(),
            label => format!("{}, {label}", self.program.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_fits_its_file() {
        for row in FULL.iter().chain(TRAPS) {
            let changed = row.configuration() != row.program.file().1;
            assert_eq!(changed, !row.edits.is_empty(), "{}", row.name());
        }
    }

    #[test]
    fn the_page_quotes_the_pipe_as_it_is_tested() {
        let page = include_str!("../../../docs/src/behind-a-proxy.md");
        let quoted = VARNISH_PIPE.strip_suffix("\nbackend volga").expect("the backend");
        assert!(page.contains(quoted));
    }
}

//! What a request says about the framing of its response. Pure.

use http::{HeaderValue, Method};

/// How the response to a request must be framed, and whether the connection stays open after it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct FramingRules {
    pub(crate) method: MethodKind,
    pub(crate) is_http_10: bool,
    pub(crate) keep_alive: bool,
    /// Whether the client said that it accepts trailers.
    pub(crate) takes_trailers: bool,
    /// Whether the client offers to switch to another protocol.
    pub(crate) offers_tunnel: bool,
}

/// The methods whose responses are framed in their own way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MethodKind {
    /// HEAD: the response has no body.
    Head,
    /// CONNECT: a successful response would start a tunnel. The server does not make that kind of
    /// tunnel, so the connection closes after the response.
    Connect,
    Other,
}

impl MethodKind {
    pub(crate) fn of(method: &Method) -> Self {
        match *method {
            Method::HEAD => Self::Head,
            Method::CONNECT => Self::Connect,
            _ => Self::Other,
        }
    }
}

impl FramingRules {
    /// The same rules, on a connection that closes after this response.
    pub(crate) fn closing(self) -> Self {
        Self { keep_alive: false, ..self }
    }
}

/// Whether a comma-separated list holds this token.
pub(crate) fn has_token(list: &HeaderValue, token: &str) -> bool {
    list.as_bytes()
        .split(|&byte| byte == b',')
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_whatever_its_case_and_the_blanks_around_it() {
        for (list, is_there) in [
            ("close", true),
            ("x, CLOSE", true),
            ("x,\tclose ,y", true),
            ("", false),
            ("closed", false),
            ("x close", false),
        ] {
            assert_eq!(has_token(&HeaderValue::from_static(list), "close"), is_there, "{list}");
        }
    }
}

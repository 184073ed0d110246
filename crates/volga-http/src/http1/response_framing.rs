//! What a request says of its answer. Pure.

use http::{HeaderValue, Method};

/// How the answer must be framed, and what is to become of the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct FramingRules {
    pub(crate) method: MethodKind,
    pub(crate) is_http_10: bool,
    pub(crate) keep_alive: bool,
    /// Whether the client said that it takes trailers.
    pub(crate) takes_trailers: bool,
    /// Whether the client offers to go on in another protocol.
    pub(crate) offers_tunnel: bool,
}

/// What kind of answer a method has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MethodKind {
    /// A head alone.
    Head,
    /// A tunnel, which nobody here makes: what says so is the end of the connection.
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
    /// The same rules, on a connection that ends with this answer.
    pub(crate) fn closing(self) -> Self {
        Self { keep_alive: false, ..self }
    }
}

/// Whether a list of tokens holds this one.
pub(crate) fn names(list: &HeaderValue, token: &str) -> bool {
    list.as_bytes()
        .split(|&byte| byte == b',')
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_of_a_list_whatever_its_case_and_the_blanks_around_it() {
        for (list, is_there) in [
            ("close", true),
            ("x, CLOSE", true),
            ("x,\tclose ,y", true),
            ("", false),
            ("closed", false),
            ("x close", false),
        ] {
            assert_eq!(names(&HeaderValue::from_static(list), "close"), is_there, "{list}");
        }
    }
}

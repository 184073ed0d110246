//! How a session ends: the code and the reason of a close, and the end that the application sees.
//! Pure.

use std::fmt;

use crate::limits::MAX_WEBTRANSPORT_CLOSE_REASON;

/// Why a session is closed: a code, and a text for the other side. The standard of browsers has
/// the same as `WebTransportCloseInfo`. The default is code 0 without a text.
///
/// ```
/// use volga_h3::WebTransportCloseInfo;
///
/// let full = WebTransportCloseInfo::new(42, "the room is full");
/// assert_eq!(full.to_string(), "42 the room is full");
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WebTransportCloseInfo {
    code: u32,
    reason: String,
}

impl WebTransportCloseInfo {
    /// Creates it. A text of more than 1,024 bytes ([`MAX_WEBTRANSPORT_CLOSE_REASON`]) is cut at
    /// the end of a character, because the protocol allows no more.
    pub fn new(code: u32, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        reason.truncate(reason.floor_char_boundary(MAX_WEBTRANSPORT_CLOSE_REASON));
        Self { code, reason }
    }

    /// The code. The application chooses its meaning; 0 is the code of an end without an error.
    #[must_use]
    pub fn code(&self) -> u32 {
        self.code
    }

    /// The text, which may be empty.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for WebTransportCloseInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            "" => self.code.fmt(f),
            text => write!(f, "{} {text}", self.code),
        }
    }
}

/// An end without an error: code 0 without a text.
impl From<()> for WebTransportCloseInfo {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<u32> for WebTransportCloseInfo {
    fn from(code: u32) -> Self {
        Self::new(code, "")
    }
}

impl<T: Into<String>> From<(u32, T)> for WebTransportCloseInfo {
    fn from((code, reason): (u32, T)) -> Self {
        Self::new(code, reason)
    }
}

/// How a session has ended.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum WebTransportEnd {
    /// The client has closed the session.
    ClosedByClient(WebTransportCloseInfo),
    /// The server has closed the session: the application, the end of its function, or the
    /// shutdown.
    ClosedByServer(WebTransportCloseInfo),
    /// The client has broken the protocol on the stream of the session, which the server has reset.
    Refused,
    /// The client has left without a close, as when a browser is killed.
    Disconnected,
}

impl WebTransportEnd {
    /// Whether the session has ended without a close by the client or the server.
    #[must_use]
    pub fn is_abrupt(&self) -> bool {
        matches!(self, Self::Refused | Self::Disconnected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_has_no_room_is_cut_between_two_characters() {
        for length in MAX_WEBTRANSPORT_CLOSE_REASON - 10..=MAX_WEBTRANSPORT_CLOSE_REASON {
            let text = "x".repeat(length) + &"€".repeat(5);
            let info = WebTransportCloseInfo::new(1, text.as_str());
            let cut = info.reason().len();
            assert!(cut <= MAX_WEBTRANSPORT_CLOSE_REASON);
            assert!(cut > MAX_WEBTRANSPORT_CLOSE_REASON - "€".len());
            assert!(text.starts_with(info.reason()));
        }
        assert_eq!(WebTransportCloseInfo::from(()).to_string(), "0");
    }
}

//! How a WebSocket ends: close codes, reasons, and the end that the application sees. Pure.

use std::fmt;

use tungstenite::protocol::frame::CloseFrame;

use crate::message::Utf8Bytes;

/// A code that says why a WebSocket is closed (RFC 6455, section 7.4).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the WebSocket is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server shuts down, or the browser has left the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the other side has broken the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a message has a type that the receiver does not take, such as binary for text.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1007: the content of a message is not what its type says, such as text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// 1008: a message violates a rule of the receiver.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message is too large.
    pub const TOO_LARGE: Self = Self(1009);
    /// 1011: the server has failed.
    pub const SERVER_ERROR: Self = Self(1011);
    /// 1012: the server restarts.
    pub const RESTART: Self = Self(1012);
    /// 1013: the server is overloaded, and the client may try again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// Creates a code. `None` for a code that must not be sent: below 1000, reserved by the
    /// standard (1004, 1005, 1006, 1015 and 1016 to 2999), or above 4999. The codes 4000 to 4999
    /// are for applications.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a WebSocket is closed: a code, and a text for the log of the other side.
///
/// ```
/// use volga_ws::{CloseCode, CloseReason};
///
/// let full = CloseReason::new(CloseCode::TRY_AGAIN_LATER, "the room is full");
/// assert_eq!(full.to_string(), "1013 the room is full");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CloseReason {
    code: CloseCode,
    text: Utf8Bytes,
}

/// The longest text of a reason, in bytes: a control frame has at most 125 bytes, and the code
/// takes two of them.
const MAX_TEXT: usize = 123;

impl CloseReason {
    /// Creates a reason. A text of more than 123 bytes is cut at the end of a character, because
    /// the frame has no room for more.
    pub fn new(code: CloseCode, text: impl Into<Utf8Bytes>) -> Self {
        let mut text = text.into();
        if text.len() > MAX_TEXT {
            text = Utf8Bytes::from(&text[..text.floor_char_boundary(MAX_TEXT)]);
        }
        Self { code, text }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// The text, which may be empty.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn to_frame(&self) -> CloseFrame {
        CloseFrame { code: self.code.0.into(), reason: self.text.inner().clone() }
    }

    /// The reason of a frame that tungstenite has received.
    pub(crate) fn from_frame(frame: CloseFrame) -> Self {
        // A client may send a code that a server must not send. It is kept as it is.
        Self { code: CloseCode(frame.code.into()), text: Utf8Bytes::from_inner(frame.reason) }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            "" => self.code.fmt(f),
            text => write!(f, "{} {text}", self.code),
        }
    }
}

/// A normal end without a text: code 1000.
impl From<()> for CloseReason {
    fn from((): ()) -> Self {
        Self::from(CloseCode::NORMAL)
    }
}

impl From<CloseCode> for CloseReason {
    fn from(code: CloseCode) -> Self {
        Self { code, text: Utf8Bytes::default() }
    }
}

impl<T: Into<Utf8Bytes>> From<(CloseCode, T)> for CloseReason {
    fn from((code, text): (CloseCode, T)) -> Self {
        Self::new(code, text)
    }
}

/// How a WebSocket has ended.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SocketEnd {
    /// The client has closed the WebSocket. `None` if it gave no reason.
    ClosedByClient(Option<CloseReason>),
    /// The server has closed the WebSocket with this reason: the application, the end of its
    /// function, or the shutdown.
    ClosedByServer(CloseReason),
    /// The client has broken the protocol or a limit. The server has closed the WebSocket with this
    /// reason, whose text says what was wrong.
    Refused(CloseReason),
    /// The connection ended without a close, as when a browser is killed.
    Disconnected,
    /// The client did not respond to a ping, or accepted no bytes, for too long.
    TimedOut,
}

impl SocketEnd {
    /// Whether the WebSocket ended without a close by the client or the server.
    #[must_use]
    pub fn is_abrupt(&self) -> bool {
        matches!(self, Self::Disconnected | Self::TimedOut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_must_not_be_sent_cannot_be_created() {
        let sendable: Vec<u16> = (0..=u16::MAX).filter(|&n| CloseCode::new(n).is_some()).collect();
        let expect: Vec<u16> = (1000..=1003).chain(1007..=1014).chain(3000..=4999).collect();
        assert_eq!(sendable, expect);
    }

    #[test]
    fn a_text_that_has_no_room_is_cut_between_two_characters() {
        for length in 0..100 {
            let text = "x".repeat(length) + &"€".repeat(60);
            let reason = CloseReason::new(CloseCode::NORMAL, text.as_str());
            assert!(reason.text().len() <= MAX_TEXT && reason.text().len() > MAX_TEXT - 3);
            assert!(text.starts_with(reason.text()));
        }
        assert_eq!(CloseReason::from(()).to_string(), "1000");
    }
}

//! `Message`: what applications send and receive, and `Utf8Bytes`, its text. Pure.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

/// A text that clones share. Cloning it copies no bytes, so one text can be sent to many sockets.
///
/// ```
/// use volga_ws::Utf8Bytes;
///
/// let text = Utf8Bytes::from("hello".to_owned());
/// assert_eq!(text.clone(), "hello");
/// assert_eq!(text.len(), 5);
/// ```
#[derive(Clone, Default, Eq, Hash, PartialEq)]
pub struct Utf8Bytes(tungstenite::Utf8Bytes);

impl Utf8Bytes {
    /// Creates a text without copying it.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(tungstenite::Utf8Bytes::from_static(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn from_inner(inner: tungstenite::Utf8Bytes) -> Self {
        Self(inner)
    }

    pub(crate) fn inner(&self) -> &tungstenite::Utf8Bytes {
        &self.0
    }
}

impl Deref for Utf8Bytes {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Utf8Bytes {
    fn as_ref(&self) -> &str {
        self
    }
}

impl From<&str> for Utf8Bytes {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Utf8Bytes {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl TryFrom<Bytes> for Utf8Bytes {
    type Error = std::str::Utf8Error;

    /// Checks that the bytes are UTF-8. They are not copied.
    fn try_from(bytes: Bytes) -> Result<Self, std::str::Utf8Error> {
        bytes.try_into().map(Self)
    }
}

impl From<Utf8Bytes> for Bytes {
    fn from(text: Utf8Bytes) -> Self {
        text.0.into()
    }
}

impl PartialEq<str> for Utf8Bytes {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Utf8Bytes {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A message of a WebSocket. Clones share their bytes.
///
/// Pings and pongs are not messages: the server sends and answers them by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// A text.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(Bytes),
}

impl Message {
    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the message has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of the message, of a text as well.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The text, or `None` for a binary message.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The bytes of the message, of a text as well, without copying them.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into(),
            Self::Binary(bytes) => bytes,
        }
    }
}

macro_rules! from_text {
    ($($type:ty),*) => { $(
        impl From<$type> for Message {
            fn from(text: $type) -> Self {
                Self::Text(text.into())
            }
        }
    )* };
}

from_text!(&str, String, Utf8Bytes);

macro_rules! from_bytes {
    ($($type:ty),*) => { $(
        impl From<$type> for Message {
            fn from(bytes: $type) -> Self {
                Self::Binary(bytes.into())
            }
        }
    )* };
}

from_bytes!(&'static [u8], Vec<u8>, Bytes);

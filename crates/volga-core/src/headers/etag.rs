//! `ETag`: the entity tag of a response.

use std::{fmt, str::FromStr};

use http::{HeaderName, HeaderValue, header};

use crate::headers::typed::TypedHeader;

/// The entity tag of a response, which identifies a version of the resource (RFC 9110, section
/// 8.8.3).
///
/// Equal strong tags mean that the bytes are equal. Equal weak tags mean only that one response can
/// replace the other.
///
/// ```
/// use volga_core::headers::ETag;
///
/// let tag = ETag::weak("v7").unwrap();
/// assert_eq!(tag.to_string(), "W/\"v7\"");
/// assert!(tag.weak_eq(&"\"v7\"".parse().unwrap()));
/// assert!(!tag.strong_eq(&tag));
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ETag {
    text: Box<str>,
    is_weak: bool,
}

/// The text is not a valid entity tag.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "an entity tag is `\"text\"` or `W/\"text\"`, where the text is visible ASCII without quotes and spaces"
)]
pub struct ETagError;

impl ETag {
    /// Creates a strong tag from a text without the quotes.
    ///
    /// # Errors
    ///
    /// Returns an error if the text has a space, a quote, or anything else that is not visible
    /// ASCII.
    pub fn strong(text: impl Into<Box<str>>) -> Result<Self, ETagError> {
        Self::new(text.into(), false)
    }

    /// Creates a weak tag from a text without the quotes.
    ///
    /// # Errors
    ///
    /// Returns an error if the text has a space, a quote, or anything else that is not visible
    /// ASCII.
    pub fn weak(text: impl Into<Box<str>>) -> Result<Self, ETagError> {
        Self::new(text.into(), true)
    }

    /// The text between the quotes.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the tag is weak.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        self.is_weak
    }

    /// Whether both tags are strong and have the same text. `If-Match` and `If-Range` compare like
    /// this.
    #[must_use]
    pub fn strong_eq(&self, other: &Self) -> bool {
        !self.is_weak && self == other
    }

    /// Whether both tags have the same text. `If-None-Match` compares like this.
    #[must_use]
    pub fn weak_eq(&self, other: &Self) -> bool {
        self.text == other.text
    }

    fn new(text: Box<str>, is_weak: bool) -> Result<Self, ETagError> {
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
        if text.bytes().all(fits) { Ok(Self { text, is_weak }) } else { Err(ETagError) }
    }
}

impl FromStr for ETag {
    type Err = ETagError;

    fn from_str(text: &str) -> Result<Self, ETagError> {
        let (quoted, is_weak) = match text.strip_prefix("W/") {
            Some(quoted) => (quoted, true),
            None => (text, false),
        };
        let inner = quoted.strip_prefix('"').and_then(|inner| inner.strip_suffix('"'));
        Self::new(inner.ok_or(ETagError)?.into(), is_weak)
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\"{}\"", if self.is_weak { "W/" } else { "" }, self.text)
    }
}

impl TypedHeader for ETag {
    const NAME: HeaderName = header::ETAG;
    type Error = ETagError;

    fn from_value(value: &HeaderValue) -> Result<Self, ETagError> {
        value.to_str().map_err(|_| ETagError)?.parse()
    }

    fn to_value(&self) -> HeaderValue {
        // Visible ASCII in quotes is a valid header value.
        HeaderValue::try_from(self.to_string()).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_invalid_tag_is_refused() {
        for text in ["", "v7", "\"", "\"v7", "w/\"v7\"", "\"a b\"", "\"a\"b\"", "\"é\"", "W/"] {
            assert_eq!(text.parse::<ETag>(), Err(ETagError), "{text}");
        }
        assert!(ETag::strong("a\"b").is_err());
    }

    #[test]
    fn weak_tags_are_equal_only_by_weak_comparison() {
        let [strong, weak] = ["\"a\"", "W/\"a\""].map(|text| text.parse::<ETag>().unwrap());
        assert!(strong.weak_eq(&weak) && strong.strong_eq(&strong));
        assert!(!strong.strong_eq(&weak) && !weak.strong_eq(&weak));
    }

    proptest! {
        #[test]
        fn a_written_tag_is_read_back(text in "[!#-~]{0,12}", is_weak in any::<bool>()) {
            let tag = if is_weak { ETag::weak(&*text) } else { ETag::strong(&*text) }.unwrap();
            prop_assert_eq!(ETag::from_value(&tag.to_value()), Ok(tag.clone()));
            prop_assert_eq!(tag.to_string().parse(), Ok(tag));
        }
    }
}

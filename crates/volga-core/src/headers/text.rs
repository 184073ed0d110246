//! Headers that hold a text, and the macro that declares them.

use std::{borrow::Cow, fmt};

use http::HeaderValue;

/// Declares types for headers that hold a text.
///
/// Each type is `pub`, dereferences to `str`, is created by `from_static` or `try_from`, and
/// implements [`TypedHeader`](crate::headers::TypedHeader).
///
/// ```
/// use volga_core::{IntoResponse, headers};
///
/// headers! {
///     (ApiKey, "x-api-key"),
///     /// Ties the log lines of several services together.
///     (CorrelationId, "x-correlation-id"),
/// }
///
/// let id = CorrelationId::try_from(String::from("7f")).unwrap();
/// assert_eq!(id.as_str(), "7f");
/// assert_eq!((id, "text").into_response().unwrap().headers()["x-correlation-id"], "7f");
/// assert!(ApiKey::try_from("two\nlines").is_err());
/// ```
///
/// A name with capital letters, or an invalid name, does not compile.
#[macro_export]
macro_rules! headers {
    ($( $(#[$meta:meta])* ($type:ident, $name:literal) ),* $(,)?) => { $(
        #[doc = ::core::concat!("The header `", $name, "`, as a text.\n")]
        $(#[$meta])*
        #[derive(Clone, Debug, Eq, Hash, PartialEq)]
        pub struct $type($crate::headers::TextHeader);

        // The constant of the trait is evaluated only when it is used. This one is evaluated when
        // the header is declared.
        const _: $crate::__private::HeaderName = $crate::__private::HeaderName::from_static($name);

        impl $type {
            /// Creates the header from a constant text.
            ///
            /// # Panics
            ///
            /// Panics if the text is not visible ASCII. In a constant it does not compile then.
            #[must_use]
            pub const fn from_static(text: &'static str) -> Self {
                Self($crate::headers::TextHeader::from_static(text))
            }

            /// The text. Bytes that are not UTF-8 are replaced with U+FFFD.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The bytes, as they came.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl $crate::headers::TypedHeader for $type {
            const NAME: $crate::__private::HeaderName = $crate::__private::HeaderName::from_static($name);
            type Error = $crate::headers::HeaderTextError;

            fn from_value(
                value: &$crate::__private::HeaderValue,
            ) -> ::core::result::Result<Self, Self::Error> {
                ::core::result::Result::Ok(Self($crate::headers::TextHeader::received(value.clone())))
            }

            fn to_value(&self) -> $crate::__private::HeaderValue {
                self.0.value().clone()
            }
        }

        impl ::core::convert::TryFrom<&str> for $type {
            type Error = $crate::headers::HeaderTextError;

            fn try_from(text: &str) -> ::core::result::Result<Self, Self::Error> {
                $crate::headers::TextHeader::try_from(text).map(Self)
            }
        }

        impl ::core::convert::TryFrom<::std::string::String> for $type {
            type Error = $crate::headers::HeaderTextError;

            fn try_from(text: ::std::string::String) -> ::core::result::Result<Self, Self::Error> {
                $crate::headers::TextHeader::try_from(text).map(Self)
            }
        }

        impl ::core::ops::Deref for $type {
            type Target = str;

            fn deref(&self) -> &str {
                self.as_str()
            }
        }

        impl ::core::fmt::Display for $type {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )* };
}

/// A header value that is a text. The types of [`headers!`](crate::headers!) hold one.
///
/// A text that your code creates is visible ASCII and spaces. A received text may have any bytes:
/// browsers send cookies and other values in UTF-8 or Latin-1, and one odd value must not make all
/// requests of a user fail.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct TextHeader {
    value: HeaderValue,
    /// The text, if the value is not UTF-8.
    replaced: Option<Box<str>>,
}

impl TextHeader {
    /// Creates a text from a header value.
    ///
    /// # Errors
    ///
    /// Returns an error if the value has a byte that is neither visible ASCII nor a space.
    pub fn new(value: HeaderValue) -> Result<Self, HeaderTextError> {
        if value.to_str().is_ok() {
            Ok(Self { value, replaced: None })
        } else {
            Err(HeaderTextError)
        }
    }

    /// Creates a text from a header value that was received. It may have any bytes.
    ///
    /// ```
    /// use http::HeaderValue;
    /// use volga_core::headers::TextHeader;
    ///
    /// let latin1 = TextHeader::received(HeaderValue::from_bytes(b"name=J\xfcrgen").unwrap());
    /// assert_eq!(latin1.as_str(), "name=J\u{fffd}rgen");
    /// assert_eq!(latin1.as_bytes(), b"name=J\xfcrgen");
    /// ```
    #[must_use]
    pub fn received(value: HeaderValue) -> Self {
        let replaced = match String::from_utf8_lossy(value.as_bytes()) {
            Cow::Borrowed(_) => None,
            Cow::Owned(text) => Some(text.into()),
        };
        Self { value, replaced }
    }

    /// Creates a text from a constant.
    ///
    /// # Panics
    ///
    /// Panics if the text is not visible ASCII and spaces. In a constant it does not compile then.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self { value: HeaderValue::from_static(text), replaced: None }
    }

    /// The text. Bytes that are not UTF-8 are replaced with U+FFFD, so different values may have
    /// the same text. Compare secrets by [`as_bytes`](Self::as_bytes).
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.replaced {
            Some(text) => text,
            // The value was checked when it was created.
            None => std::str::from_utf8(self.value.as_bytes()).unwrap_or_default(),
        }
    }

    /// The bytes, as they came.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.value.as_bytes()
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &HeaderValue {
        &self.value
    }
}

impl TryFrom<&str> for TextHeader {
    type Error = HeaderTextError;

    fn try_from(text: &str) -> Result<Self, HeaderTextError> {
        HeaderValue::try_from(text).map_err(|_| HeaderTextError).and_then(Self::new)
    }
}

impl TryFrom<String> for TextHeader {
    type Error = HeaderTextError;

    fn try_from(text: String) -> Result<Self, HeaderTextError> {
        HeaderValue::try_from(text).map_err(|_| HeaderTextError).and_then(Self::new)
    }
}

/// Prints the value, unless it is [sensitive](HeaderValue::is_sensitive).
impl fmt::Debug for TextHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl fmt::Display for TextHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text cannot be a header value, because it has bytes other than visible ASCII and spaces.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a header value is visible ASCII on one line")]
pub struct HeaderTextError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_visible_ascii_on_one_line() {
        assert_eq!(TextHeader::try_from("a b").unwrap().as_str(), "a b");
        for text in ["é", "a\nb", "a\0"] {
            assert_eq!(TextHeader::try_from(text), Err(HeaderTextError), "{text:?}");
        }
        assert!(TextHeader::new(HeaderValue::from_bytes(b"\xff").unwrap()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn a_received_text_has_any_bytes(bytes in proptest::collection::vec(0x20..=0xff_u8, 0..16)) {
            proptest::prop_assume!(!bytes.contains(&0x7f));
            let text = TextHeader::received(HeaderValue::from_bytes(&bytes).unwrap());
            proptest::prop_assert_eq!(text.as_bytes(), &bytes);
            proptest::prop_assert_eq!(text.as_str(), String::from_utf8_lossy(&bytes));
            proptest::prop_assert_eq!(text.value().as_bytes(), &bytes);
        }
    }
}

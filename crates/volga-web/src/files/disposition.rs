//! `Disposition`: whether a browser shows or saves a response, and under which name (pure).

use std::fmt::Write;

use http::{HeaderName, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use volga_core::BoxError;
use volga_core::headers::IntoHeader;

/// The `Content-Disposition` of a response: whether a browser shows or saves it, and the name of
/// the saved file (RFC 6266). The name may be any text.
///
/// A name that is not plain ASCII is sent twice: as `filename` with replaced characters, and as
/// `filename*` in UTF-8 (RFC 8187), which browsers prefer. Characters that cannot be part of a name
/// are replaced: control characters and slashes become `_`.
///
/// ```
/// use volga_core::IntoResponse;
/// use volga_web::Disposition;
///
/// let name = Disposition::attachment("Übersicht.pdf");
/// let response = ([name], "text").into_response().unwrap();
/// assert_eq!(
///     response.headers()["content-disposition"],
///     "attachment; filename=\"_bersicht.pdf\"; filename*=UTF-8''%C3%9Cbersicht.pdf",
/// );
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Disposition {
    kind: &'static str,
    name: Option<String>,
}

/// What is encoded in `filename*`: everything but `attr-char` of RFC 8187.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

impl Disposition {
    /// The browser shows the response.
    #[must_use]
    pub const fn inline() -> Self {
        Self { kind: "inline", name: None }
    }

    /// The browser saves the response under this name.
    #[must_use]
    pub fn attachment(name: impl AsRef<str>) -> Self {
        Self { kind: "attachment", ..Self::inline() }.with_name(name)
    }

    /// Sets the name under which a user saves the response.
    #[must_use]
    pub fn with_name(self, name: impl AsRef<str>) -> Self {
        let replace = |char: char| match char {
            '/' | '\\' => '_',
            char if char.is_control() => '_',
            char => char,
        };
        Self { name: Some(name.as_ref().chars().map(replace).collect()), ..self }
    }

    /// The value of the header.
    #[must_use]
    pub fn to_value(&self) -> HeaderValue {
        let mut text = self.kind.to_owned();
        if let Some(name) = &self.name {
            // `%` is replaced as well: some browsers decode `%41` in `filename`.
            let plain = |char: char| char.is_ascii() && !matches!(char, '"' | '%');
            let fallback: String =
                name.chars().map(|char| if plain(char) { char } else { '_' }).collect();
            let _ = write!(text, "; filename=\"{fallback}\"");
            if fallback != *name {
                let _ = write!(text, "; filename*=UTF-8''{}", utf8_percent_encode(name, ENCODED));
            }
        }
        // The text is visible ASCII and spaces.
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("attachment"))
    }
}

impl IntoHeader for Disposition {
    fn into_header(self) -> Result<(HeaderName, HeaderValue), BoxError> {
        Ok((header::CONTENT_DISPOSITION, self.to_value()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(name: &str) -> String {
        Disposition::attachment(name).to_value().to_str().unwrap().to_owned()
    }

    #[test]
    fn a_name_stays_in_its_quotes() {
        assert_eq!(text("a b.txt"), "attachment; filename=\"a b.txt\"");
        assert_eq!(
            text("a\"; x=\"\r\n.txt"),
            "attachment; filename=\"a_; x=___.txt\"; filename*=UTF-8''a%22%3B%20x%3D%22__.txt"
        );
        assert_eq!(text("../a\\b"), "attachment; filename=\".._a_b\"");
        assert_eq!(Disposition::inline().to_value(), "inline");
        assert_eq!(Disposition::inline().with_name("a").to_value(), "inline; filename=\"a\"");
    }

    proptest! {
        #[test]
        fn any_name_is_one_valid_header_and_comes_back(name in "\\PC{0,20}|.{0,20}") {
            let text = text(&name);
            let (before, after) = text.split_once("; filename=\"").unwrap();
            prop_assert_eq!(before, "attachment");
            let (fallback, extended) = after.split_once('"').unwrap();
            let clean: String = name.chars()
                .map(|c| if c.is_control() || c == '/' || c == '\\' { '_' } else { c })
                .collect();
            match extended.strip_prefix("; filename*=UTF-8''") {
                None => prop_assert_eq!(fallback, clean),
                Some(encoded) => {
                    let decoded = percent_encoding::percent_decode_str(encoded).decode_utf8();
                    prop_assert_eq!(decoded.unwrap(), clean);
                }
            }
        }
    }
}

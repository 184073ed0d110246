//! The codings that a request names in its `Content-Encoding` (pure).

use http::{HeaderMap, StatusCode, header};
use volga_core::Error;

use crate::content_coding::ContentCoding;

/// The maximum number of codings of a request body, one applied after the other.
pub const MAX_CONTENT_CODINGS: usize = 2;

/// The value of `Accept-Encoding` in a refusal: what the client may use (RFC 9110, section
/// 12.5.3).
const ACCEPTED: &str = "zstd, br, gzip, deflate";

/// Returns the codings in the order in which they were applied. `identity` is no coding.
///
/// # Errors
///
/// Returns an error with status 415 if a coding is unknown, or if there are too many.
pub(crate) fn codings_of(headers: &HeaderMap) -> Result<Vec<ContentCoding>, Error> {
    let mut codings = Vec::new();
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let text = String::from_utf8_lossy(value.as_bytes());
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if name.eq_ignore_ascii_case("identity") {
                continue;
            }
            let coding = coding(name).ok_or_else(|| {
                refuse(format!("the body has the content coding {name:?}; use one of {ACCEPTED}"))
            })?;
            codings.push(coding);
        }
    }
    if codings.len() > MAX_CONTENT_CODINGS {
        let count = codings.len();
        return Err(refuse(format!(
            "the body has {count} content codings, and at most {MAX_CONTENT_CODINGS} are read"
        )));
    }
    Ok(codings)
}

fn coding(name: &str) -> Option<ContentCoding> {
    let name = if name.eq_ignore_ascii_case("x-gzip") { "gzip" } else { name };
    ContentCoding::ALL.into_iter().find(|coding| coding.name().eq_ignore_ascii_case(name))
}

fn refuse(text: String) -> Error {
    Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text).with_header(("accept-encoding", ACCEPTED))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn codings_are_read_in_order_and_an_unknown_one_is_refused() {
        use ContentCoding::{Brotli, Deflate, Gzip, Zstd};
        for (values, expect) in [
            (&["gzip"][..], Some(&[Gzip][..])),
            (&["X-GZIP"], Some(&[Gzip])),
            (&["br, Zstd"], Some(&[Brotli, Zstd])),
            (&["deflate", "gzip"], Some(&[Deflate, Gzip])),
            (&["identity"], Some(&[])),
            (&["identity, ,gzip,"], Some(&[Gzip])),
            (&[""], Some(&[])),
            (&["gzip, gzip, gzip"], None),
            (&["gzip, rot13"], None),
            (&["gzip;q=1"], None),
            (&["*"], None),
            (&["gz ip"], None),
        ] {
            let values = values
                .iter()
                .map(|value| (header::CONTENT_ENCODING, HeaderValue::from_static(value)));
            let mut headers = HeaderMap::new();
            values.for_each(|(name, value)| {
                headers.append(name, value);
            });
            let found = codings_of(&headers);
            assert_eq!(found.as_deref().ok(), expect, "{headers:?}");
            if let Err(error) = found {
                assert_eq!(error.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
            }
        }
    }
}

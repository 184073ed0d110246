//! The cookies of a client (pure).

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, header};

/// Names and values. Paths, domains and times are ignored, except that `Max-Age=0` deletes a
/// cookie.
#[derive(Clone, Debug, Default)]
pub(super) struct Cookies(BTreeMap<String, String>);

impl Cookies {
    /// Stores the cookies of a response.
    pub(super) fn store(&mut self, headers: &HeaderMap) {
        for field in headers.get_all(header::SET_COOKIE) {
            let text = String::from_utf8_lossy(field.as_bytes());
            let mut parts = text.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            if parts.any(|part| part.eq_ignore_ascii_case("max-age=0")) {
                self.0.remove(name);
            } else {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// The `Cookie` of the next request.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let pairs: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { None } else { HeaderValue::from_str(&pairs.join("; ")).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_stored_replaced_and_deleted() {
        let mut cookies = Cookies::default();
        assert_eq!(cookies.header(), None);
        let mut learn = |fields: &[&'static str], expect: Option<&str>| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append("set-cookie", HeaderValue::from_static(field));
            }
            cookies.store(&headers);
            let found = cookies.header();
            assert_eq!(found.as_ref().and_then(|value| value.to_str().ok()), expect);
        };
        learn(&["b=2; Path=/; HttpOnly", "a=x=y"], Some("a=x=y; b=2"));
        learn(&["b=3", "nonsense"], Some("a=x=y; b=3"));
        learn(&["a=; Max-Age=0"], Some("b=3"));
    }
}

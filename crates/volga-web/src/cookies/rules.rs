//! The defaults and the checks of a cookie that is sent (pure).

use cookie::{Cookie, SameSite};
use http::HeaderValue;

use crate::cookies::error::CookieError;
use crate::cookies::limits::{MAX_COOKIE_ATTRIBUTE_BYTES, MAX_COOKIE_BYTES};

/// Sets the attributes that are missing, checks the cookie, and returns its `Set-Cookie` value.
///
/// # Errors
///
/// Returns an error if a browser would ignore the cookie, or would read another one.
pub(super) fn complete(
    cookie: &mut Cookie<'static>,
    is_https: bool,
) -> Result<HeaderValue, CookieError> {
    let name = cookie.name().to_owned();
    check_name(&name)?;
    if let Some(at) = cookie.value().bytes().position(|byte| !is_value_byte(byte)) {
        return Err(CookieError::Value { name, at });
    }
    let size = name.len() + cookie.value().len();
    if size > MAX_COOKIE_BYTES {
        return Err(CookieError::Size { name, size });
    }
    set_defaults(cookie, is_https);
    check_attributes(cookie, &name)?;
    // Every part was checked, so the value is valid.
    HeaderValue::try_from(cookie.to_string()).map_err(|_| CookieError::Value { name, at: 0 })
}

fn check_name(name: &str) -> Result<(), CookieError> {
    let is_token_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let wrong = name.bytes().position(|byte| !is_token_byte(byte));
    match wrong.or(name.is_empty().then_some(0)) {
        Some(at) => Err(CookieError::Name { name: name.to_owned(), at }),
        None => Ok(()),
    }
}

/// Whether a cookie's value may have this byte: `cookie-octet` of RFC 6265, section 4.1.1.
pub(super) fn is_value_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

fn set_defaults(cookie: &mut Cookie<'static>, is_https: bool) {
    if cookie.http_only().is_none() {
        cookie.set_http_only(true);
    }
    if cookie.same_site().is_none() {
        cookie.set_same_site(SameSite::Lax);
    }
    if cookie.path().is_none() {
        cookie.set_path("/");
    }
    if cookie.secure().is_none() {
        cookie.set_secure(is_https || needs_secure(cookie).is_some());
    }
}

/// Why browsers ignore the cookie without `Secure`, if they do.
fn needs_secure(cookie: &Cookie<'_>) -> Option<&'static str> {
    if Prefix::of(cookie.name()).is_some() {
        Some("a cookie with this prefix must be secure")
    } else if cookie.same_site() == Some(SameSite::None) {
        Some("a cookie with `SameSite=None` must be secure")
    } else if cookie.partitioned() == Some(true) {
        Some("a partitioned cookie must be secure")
    } else {
        None
    }
}

/// A prefix of a name by which a browser enforces attributes. Browsers ignore its case.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Prefix {
    Secure,
    Host,
    Http,
    HostHttp,
}

impl Prefix {
    fn of(name: &str) -> Option<Self> {
        let has = |prefix: &str| {
            name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        // `__Host-Http-` begins with `__Host-`.
        if has("__Host-Http-") {
            Some(Self::HostHttp)
        } else if has("__Host-") {
            Some(Self::Host)
        } else if has("__Http-") {
            Some(Self::Http)
        } else {
            has("__Secure-").then_some(Self::Secure)
        }
    }
}

fn check_attributes(cookie: &Cookie<'_>, name: &str) -> Result<(), CookieError> {
    let fault = |attribute, reason| {
        Err(CookieError::Attribute { name: name.to_owned(), attribute, reason })
    };
    let (path, domain) = (cookie.path().unwrap_or("/"), cookie.domain());
    for (attribute, value) in [("Path", path), ("Domain", domain.unwrap_or_default())] {
        let size = value.len();
        if size > MAX_COOKIE_ATTRIBUTE_BYTES {
            return Err(CookieError::AttributeSize { name: name.to_owned(), attribute, size });
        }
    }
    if !path.starts_with('/') {
        return fault("Path", "a path starts with `/`");
    }
    if path.bytes().any(|byte| !(byte.is_ascii_graphic() || byte == b' ') || byte == b';') {
        return fault("Path", "it has a character that is not allowed; percent-encode the path");
    }
    // The leading dot, which browsers ignore, is gone here.
    let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if domain.is_some_and(|domain| domain.is_empty() || !domain.bytes().all(is_host_byte)) {
        return fault("Domain", "a domain is a host name such as `example.com`, without a port");
    }
    let prefix = Prefix::of(name);
    if matches!(prefix, Some(Prefix::Host | Prefix::HostHttp)) {
        if domain.is_some() {
            return fault("Domain", "a cookie with the prefix `__Host-` must not have a domain");
        }
        if path != "/" {
            return fault("Path", "a cookie with the prefix `__Host-` must have the path `/`");
        }
    }
    if matches!(prefix, Some(Prefix::Http | Prefix::HostHttp)) && cookie.http_only() != Some(true) {
        return fault("HttpOnly", "a cookie with the prefix `__Http-` must be for HTTP only");
    }
    match needs_secure(cookie) {
        Some(reason) if cookie.secure() != Some(true) => fault("Secure", reason),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use cookie::CookieBuilder;

    use super::*;

    #[track_caller]
    fn check<'c>(cookie: impl Into<Cookie<'c>>, is_https: bool, expect: &str) {
        let value = complete(&mut cookie.into().into_owned(), is_https);
        assert_eq!(value.expect("a valid cookie"), expect);
    }

    #[track_caller]
    fn check_fault<'c>(cookie: impl Into<Cookie<'c>>, expect: &str) {
        let fault = complete(&mut cookie.into().into_owned(), true).expect_err("an error");
        assert!(fault.to_string().contains(expect), "{fault}");
    }

    fn id() -> CookieBuilder<'static> {
        Cookie::build(("id", "7"))
    }

    #[test]
    fn what_is_not_set_has_a_default() {
        check(("id", "7"), false, "id=7; HttpOnly; SameSite=Lax; Path=/");
        check(("id", "7"), true, "id=7; HttpOnly; SameSite=Lax; Secure; Path=/");
        check(id().secure(false), true, "id=7; HttpOnly; SameSite=Lax; Path=/");
        let open = id().http_only(false).same_site(SameSite::Strict).path("/a").domain("b.example");
        check(open, false, "id=7; SameSite=Strict; Path=/a; Domain=b.example");
        check(("a", ""), false, "a=; HttpOnly; SameSite=Lax; Path=/");
    }

    #[test]
    fn what_needs_secure_is_secure() {
        for cookie in [
            id().same_site(SameSite::None),
            id().partitioned(true),
            Cookie::build(("__Host-id", "7")),
            Cookie::build(("__secure-id", "7")).domain("example.com"),
            Cookie::build(("__HTTP-id", "7")),
        ] {
            let mut plain = cookie.clone().build();
            let value = complete(&mut plain, false).expect("a valid cookie");
            assert!(value.to_str().is_ok_and(|text| text.contains("; Secure")), "{value:?}");
            check_fault(cookie.secure(false), "`Secure`");
        }
    }

    #[test]
    fn prefixes_are_checked_in_any_case() {
        for name in ["__Host-a", "__host-a", "__HOST-HTTP-a"] {
            check_fault(Cookie::build((name, "7")).domain("example.com"), "`Domain`");
            check_fault(Cookie::build((name, "7")).path("/a"), "`Path`");
        }
        for name in ["__Http-a", "__Host-Http-a"] {
            check_fault(Cookie::build((name, "7")).http_only(false), "`HttpOnly`");
        }
    }

    #[test]
    fn each_byte_of_names_and_values_is_allowed_or_refused_with_its_place() {
        for char in (0..=127_u8).map(char::from) {
            let is_token = char.is_ascii_graphic() && !"()<>@,;:\\\"/[]?={}".contains(char);
            let name = format!("a{char}b");
            let found = complete(&mut Cookie::new(name.clone(), "7"), true);
            match is_token {
                true => assert!(found.is_ok(), "{name:?}"),
                false => assert_eq!(found, Err(CookieError::Name { name, at: 1 })),
            }
            let found = complete(&mut Cookie::new("a", format!("7{char}8")), true);
            match char.is_ascii_graphic() && !"\",;\\".contains(char) {
                true => assert!(found.is_ok(), "{char:?}"),
                false => assert_eq!(found, Err(CookieError::Value { name: "a".into(), at: 1 })),
            }
        }
        check_fault(("", "7"), "cookie \"\": the name");
        check_fault(("a", "ä"), "cookie \"a\": the value is not valid at byte 0");
        check_fault(("ä", ""), "the name is not valid at byte 0");
    }

    #[test]
    fn attributes_cannot_add_attributes() {
        check_fault(id().path(""), "`Path`");
        check_fault(id().path("a"), "`Path`");
        check_fault(id().path("/a; Domain=evil.example"), "`Path`");
        check_fault(id().path("/a\r\nx: y"), "`Path`");
        check_fault(id().domain("a.example; Path=/b"), "`Domain`");
        check_fault(id().domain("a.example:80"), "`Domain`");
        check_fault(id().domain(""), "`Domain`");
        check(
            id().domain(".a.example"),
            false,
            "id=7; HttpOnly; SameSite=Lax; Path=/; Domain=a.example",
        );
    }

    #[test]
    fn sizes_are_limited() {
        let longest = "x".repeat(MAX_COOKIE_BYTES - 1);
        assert!(complete(&mut Cookie::new("a", longest.clone()), true).is_ok());
        check_fault(("ab", longest), "4097 bytes, and 4096 are allowed");
        let path = format!("/{}", "p".repeat(MAX_COOKIE_ATTRIBUTE_BYTES - 1));
        assert!(complete(&mut id().path(path.clone()).build(), true).is_ok());
        check_fault(id().path(path + "p"), "`Path` has 1025 bytes");
        check_fault(id().domain("d".repeat(1025)), "`Domain` has 1025 bytes");
    }
}

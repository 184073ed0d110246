//! Which proxies are trusted, and which prefixes are taken from them.

use http::HeaderValue;

use super::*;
use crate::app::App;

#[test]
fn a_proxy_is_an_address_a_network_or_a_socket() {
    for (text, inside, outside) in [
        ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
        ("127.0.0.1", "::ffff:127.0.0.1", "::1"),
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
        ("0.0.0.0/0", "192.0.2.1", "::1"),
        ("192.0.2.128/25", "192.0.2.200", "192.0.2.100"),
        ("::1", "::1", "::2"),
        ("2001:db8::/32", "2001:db8:1::1", "2001:db9::"),
        ("::/0", "2001:db9::", "192.0.2.1"),
    ] {
        let proxy = TrustedProxy::parse(text).unwrap();
        assert!(proxy.has(Some(inside.parse().unwrap())), "{text} {inside}");
        assert!(!proxy.has(Some(outside.parse().unwrap())), "{text} {outside}");
        assert!(!proxy.has(None), "{text}");
    }
    let unix = TrustedProxy::parse("unix").unwrap();
    assert!(unix.has(None) && !unix.has(Some("127.0.0.1".parse().unwrap())));
}

#[test]
fn a_wrong_proxy_is_a_fault_that_says_what_to_write() {
    let wrong = [
        "",
        "localhost",
        "127.0.0.1:80",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/",
        "::/129",
        "Unix",
        "10.0.0.1/8",
        "2001:db8::1/32",
        "*",
    ];
    for text in wrong {
        let app = App::new().with_trusted_proxies(["127.0.0.1", text]);
        let fault = app.check().unwrap_err().to_string();
        let start = format!("`with_trusted_proxies`: the value is {text:?}: write ");
        assert!(fault.starts_with(&start), "{fault}");
    }
    let fault = TrustedProxy::parse("10.0.0.1/8").unwrap_err();
    assert!(fault.contains("write 10.0.0.1, or 10.0.0.0/8 for the network"), "{fault}");
}

#[track_caller]
fn check(values: &[&str], expect: Option<&str>) {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(X_FORWARDED_PREFIX, HeaderValue::from_str(value).unwrap());
    }
    assert_eq!(prefix_of(&headers).ok().as_deref(), expect, "{values:?}");
}

#[test]
fn a_prefix_is_one_path_that_cannot_lead_elsewhere() {
    check(&["/shop"], Some("/shop"));
    check(&["/shop/"], Some("/shop"));
    check(&["/a/b%20c/~d.e"], Some("/a/b%20c/~d.e"));
    check(&["/..."], Some("/..."));
    check(&["/"], Some(""));
    check(&[""], Some(""));
    let longest = format!("/{}", "a".repeat(MAX_FORWARDED_PREFIX - 1));
    check(&[&longest], Some(&longest));
    check(&[&format!("{longest}a")], None);
    check(&["/a", "/b"], None);
    check(&["/a", "/a"], None);
}

/// Parts that a forged prefix may have, at every place of a right one.
#[test]
fn every_part_that_could_lead_elsewhere_is_refused() {
    let bad = [
        "//", "/..", "/.", "/%2e%2E", "/.%2e", "\\", "?", "#", " ", ",", "<", "\"", "%", "%4",
        "%zz", "\t", "http://", "@host//", ";//", "{", "}", "|", "^", "`",
    ];
    for part in bad {
        for (before, after) in [("", "/shop"), ("/shop", ""), ("/shop", "/tea"), ("/a/b", "/c/")] {
            let value = format!("{before}{part}{after}");
            let value = HeaderValue::from_str(&value).unwrap();
            let headers = HeaderMap::from_iter([(X_FORWARDED_PREFIX, value)]);
            if let Ok(prefix) = prefix_of(&headers) {
                panic!("{headers:?} is {prefix:?}");
            }
        }
    }
    for value in ["shop", "http://other/", "//other", "/\u{fc}"] {
        check(&[value], None);
    }
}

#[test]
fn the_path_gets_the_prefix_and_all_else_stays() {
    for (uri, expect) in [
        ("/", "/shop/"),
        ("/tea?x=%20", "/shop/tea?x=%20"),
        ("//a", "/shop//a"),
        ("http://host:80/tea", "http://host:80/shop/tea"),
        ("*", "*"),
    ] {
        assert_eq!(with_prefix("/shop", &uri.parse().unwrap()).unwrap(), expect, "{uri}");
    }
    let long = format!("/{}", "a".repeat(65_530));
    assert_eq!(with_prefix("/shop", &long.parse().unwrap()), None);
}

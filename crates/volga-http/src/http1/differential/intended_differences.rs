//! The intended differences between the two servers: requests that hyper accepts although a section
//! of an RFC calls them wrong. `docs/design/http1-and-hyper.md` lists them with their sections.

use super::both;

/// Each request, with the name of its row on that page.
fn refused_here() -> Vec<(&'static str, String)> {
    let get = |head: &str| format!("GET {head}\r\n\r\n");
    let coded = |field: &str| {
        format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: {field}\r\n\r\n0\r\n\r\n")
    };
    vec![
        ("no `host`", get("/ HTTP/1.1")),
        ("several `host` fields", get("/ HTTP/1.1\r\nhost: a\r\nhost: b")),
        ("several `host` fields", get("/ HTTP/1.0\r\nhost: a\r\nhost: b")),
        ("a `host` that is no host and port", get("/ HTTP/1.1\r\nhost: a b")),
        ("a `host` that is no host and port", get("/ HTTP/1.1\r\nhost: a/b")),
        ("a `host` that is no host and port", get("/ HTTP/1.1\r\nhost: a{")),
        ("a user in `host` or target", get("/ HTTP/1.1\r\nhost: a@b")),
        ("a user in `host` or target", get("http://u@a/ HTTP/1.1\r\nhost: a")),
        ("a target that names another host than `host`", get("http://b/ HTTP/1.1\r\nhost: a")),
        ("a target without a slash", get("a HTTP/1.1\r\nhost: a")),
        ("`*` for a method other than OPTIONS", get("* HTTP/1.1\r\nhost: a")),
        ("a target of more than 8 KiB", get(&format!("/{} HTTP/1.1\r\nhost: a", "a".repeat(8192)))),
        ("chunks within chunks", coded("chunked, chunked")),
        ("chunks within chunks", coded("chunked\r\ntransfer-encoding: chunked")),
        ("a coding before `chunked`", coded("gzip, chunked")),
        ("a coding before `chunked`", coded("identity, chunked")),
        ("a coding before `chunked`", coded("x\r\ntransfer-encoding: chunked")),
    ]
}

/// If this fails because a difference is gone, remove its row from the page.
#[test]
fn every_intended_difference_is_on_the_page_with_its_section() {
    const PAGE: &str = include_str!("../../../../../docs/design/http1-and-hyper.md");
    for (what, sent) in refused_here() {
        let (ours, hypers) = both(sent.as_bytes(), usize::MAX);
        assert_eq!((ours.len(), hypers.len()), (0, 1), "{what}: {sent:?}");
        let line = PAGE.lines().find(|line| line.starts_with(&format!("| {what} |")));
        assert!(line.is_some_and(|line| line.contains("RFC 9")), "{what} is not on the page");
    }
}

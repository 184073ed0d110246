//! The decoded form of a path, as the router compares it (pure).

use std::borrow::Cow;

use crate::request::percent;
use crate::routing::pattern::segment_at;

/// Decodes a path. See [`RequestParts::decoded_path`](crate::RequestParts::decoded_path).
pub(crate) fn decoded(path: &str) -> Cow<'_, str> {
    let path = match path {
        "" => "/",
        // `/a//` is another path than `/a/`.
        path if path.len() > 1 && path.ends_with('/') && !path.ends_with("//") => {
            &path[..path.len() - 1]
        }
        path => path,
    };
    if !path.contains('%') || !percent::is_well_formed(path) {
        return path.into();
    }
    let mut text = String::with_capacity(path.len());
    let mut at = 0;
    while let Some((segment, next)) = segment_at(path, at) {
        if at > 0 {
            text.push('/');
        }
        push_segment(&mut text, &percent::decode_bytes(segment.as_bytes()));
        at = next;
    }
    text.into()
}

/// Appends a decoded segment. What would be read as something else is encoded again.
fn push_segment(text: &mut String, segment: &[u8]) {
    for chunk in segment.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '/' => text.push_str("%2F"),
                '%' => text.push_str("%25"),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use http::Method;

    use super::*;
    use crate::handler::handler_endpoint::HandlerEndpoint;
    use crate::routing::pattern::without_trailing_slash;
    use crate::routing::router::Router;

    #[track_caller]
    fn check(path: &str, expect: &str) {
        assert_eq!(decoded(path), expect, "{path}");
        assert_eq!(decoded(&decoded(path)), expect, "decoding twice changes nothing");
    }

    #[test]
    fn a_path_is_decoded_once_and_stays_clear() {
        check("/%61dmin", "/admin");
        check("/%61%64min/%C3%BC/", "/admin/\u{fc}");
        check("/a%2Fb/c%2fd", "/a%2Fb/c%2Fd");
        check("/100%25", "/100%25");
        check("/%2561dmin", "/%2561dmin");
        check("/%ff%C3", "/%FF%C3");
        check("/a//", "/a//");
        check("/", "/");
        check("", "/");
        check("*", "*");
        check("/%zz/%61", "/%zz/%61");
    }

    /// The segments that the router compares, of a path that it does not refuse.
    fn segments(path: &str) -> Option<Vec<Vec<u8>>> {
        if !percent::is_well_formed(path) {
            return None;
        }
        let path = without_trailing_slash(path);
        let mut segments = Vec::new();
        let mut at = 1;
        while let Some((segment, next)) = segment_at(path, at) {
            segments.push(percent::decode_bytes(segment.as_bytes()).into_owned());
            at = next;
        }
        Some(segments)
    }

    /// All paths of up to six of these parts: two paths have one decoded form exactly if the router
    /// sees the same segments.
    #[test]
    fn two_paths_have_one_decoded_form_if_and_only_if_the_router_takes_them_for_one() {
        let parts = ["a", "%61", "/", "%2F", "%2f", "%25", "61", "%FF", "."];
        let mut by_text: HashMap<String, Vec<Vec<u8>>> = HashMap::new();
        let mut by_segments: HashMap<Vec<Vec<u8>>, String> = HashMap::new();
        let mut paths = vec!["/".to_owned()];
        let mut count = 0;
        for _ in 0..=5 {
            for path in &paths {
                let text = decoded(path).into_owned();
                let Some(segments) = segments(path) else { continue };
                let known = by_text.entry(text.clone()).or_insert_with(|| segments.clone());
                assert_eq!(*known, segments, "{path} {text}");
                let known = by_segments.entry(segments).or_insert_with(|| text.clone());
                assert_eq!(*known, text, "{path}");
                count += 1;
            }
            paths = paths
                .iter()
                .flat_map(|path| parts.iter().map(move |part| format!("{path}{part}")))
                .collect();
        }
        assert!(count > 60_000, "{count}");
    }

    /// Every encoding of a path has the route of the path, and its decoded form.
    #[test]
    fn the_router_and_the_decoded_path_agree() {
        let mut router = Router::new();
        for pattern in ["/", "/admin", "/admin/{id:uint}", "/admin/{name}", "/\u{fc}/{*rest}"] {
            router.map(Method::GET, pattern, HandlerEndpoint::new(|| ""));
        }
        let service = router.into_service().unwrap();
        let route =
            |path: &str| service.find(&Method::GET, path).map(|found| found.pattern().to_owned());
        for plain in ["/admin", "/admin/7", "/admin/x", "/\u{fc}/a/b", "/admi", "/admin//"] {
            for seed in 0_u64..500 {
                let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let mut encoded = String::new();
                for byte in plain.bytes() {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    match (byte, state >> 61) {
                        (b'/', _) => encoded.push('/'),
                        (byte, 0..=2) if byte.is_ascii() => encoded.push(char::from(byte)),
                        (byte, 3..=5) => encoded += &format!("%{byte:02X}"),
                        (byte, _) => encoded += &format!("%{byte:02x}"),
                    }
                }
                assert_eq!(decoded(&encoded), plain, "{encoded}");
                assert_eq!(route(&encoded), route(plain), "{encoded}");
            }
        }
    }
}

//! Whether the name of a file has a hash of its content (pure).

/// The length of the shortest hash: 8 hexadecimal digits.
const MIN_HASH: usize = 8;

/// Whether the last part of the name before its extension is a hash, as in `app.3f2a1b9c.js` and
/// `app-3f2a1b9c0d.css`. A hash has at least 8 hexadecimal digits, among them a letter, so a date
/// is not one.
pub(crate) fn has_hash(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    // `app.3f2a1b9c.js.map` has two extensions.
    let mut parts = name.split(['.', '-', '_']).skip(1).peekable();
    let mut found = false;
    while let Some(part) = parts.next() {
        // The extension itself is not a hash.
        found |= parts.peek().is_some() && is_hash(part);
    }
    found
}

fn is_hash(part: &str) -> bool {
    part.len() >= MIN_HASH
        && part.bytes().all(|byte| byte.is_ascii_hexdigit())
        && part.bytes().any(|byte| byte.is_ascii_digit())
        && part.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_with_a_hash_is_fingerprinted() {
        for path in [
            "app.3f2a1b9c.js",
            "a/b/app-3F2A1B9C0d.css",
            "main.8e4d7f0b3c2a1f00.js.map",
            "chunk_3f2a1b9c.mjs",
        ] {
            assert!(has_hash(path), "{path}");
        }
        for path in [
            "app.js",
            "report-20240101.pdf",
            "3f2a1b9c.js",
            "app.deadbeef",
            "app.facade.js",
            "jquery-3.7.1.min.js",
            "photo-iphone14pro.jpg",
            "3f2a1b9c/app.js",
            "",
        ] {
            assert!(!has_hash(path), "{path}");
        }
    }
}

//! `RequestPath`: the path of a request as a path within the folder (pure).

use percent_encoding::percent_decode_str;

use crate::files::file_name;

/// A path that names something within the folder. No segment of it can lead out of the folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RequestPath {
    /// The decoded segments with slashes between them, such as `css/site.css`. Empty for the folder
    /// itself.
    pub(crate) relative: String,
    /// Whether the path of the request ends in a slash.
    pub(crate) has_slash: bool,
}

impl RequestPath {
    /// Reads the path of a request. Returns `None` if it cannot name a file, or must not:
    ///
    /// - a segment that is empty, `.` or `..`, also if it is percent-encoded,
    /// - a slash, a backslash, a NUL or another character that no [file
    ///   name](crate::FileName) has, within a segment,
    /// - the name of a device of Windows,
    /// - a name that begins with a dot, unless `dot_files` is true.
    pub(crate) fn parse(path: &str, dot_files: bool) -> Option<Self> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let (path, has_slash) = match path.strip_suffix('/') {
            Some(path) => (path, true),
            None => (path, path.is_empty()),
        };
        let mut relative = String::with_capacity(path.len());
        if path.is_empty() {
            return Some(Self { relative, has_slash });
        }
        for segment in path.split('/') {
            let segment = percent_decode_str(segment).decode_utf8().ok()?;
            if file_name::check(&segment).is_err() || (!dot_files && segment.starts_with('.')) {
                return None;
            }
            if !relative.is_empty() {
                relative.push('/');
            }
            relative.push_str(&segment);
        }
        Some(Self { relative, has_slash })
    }

    /// The path of a file in this folder.
    pub(crate) fn join(&self, name: &str) -> String {
        match self.relative.as_str() {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_decoded_once() {
        for (path, relative, has_slash) in [
            ("/", "", true),
            ("/a/b.css", "a/b.css", false),
            ("/a/", "a", true),
            ("/a%20b/%C3%BC", "a b/ü", false),
            ("/%2561", "%61", false),
            ("/a%2Eb", "a.b", false),
        ] {
            let expect = RequestPath { relative: relative.into(), has_slash };
            assert_eq!(RequestPath::parse(path, false), Some(expect), "{path}");
        }
    }

    #[test]
    fn a_path_that_could_leave_the_folder_or_name_a_device_is_refused() {
        for path in [
            "/..",
            "/a/../b",
            "/./a",
            "//a",
            "/a//b",
            "/a//",
            "/%2e%2e/a",
            "/%2E%2E%2Fa",
            "/.%2e",
            "/a%2Fb",
            "/a%5Cb",
            "/..%5C",
            "/a%00",
            "/C:",
            "/C:%5Cb",
            "/a:stream",
            "/NUL",
            "/con.txt",
            "/a/com1/b",
            "/a.",
            "/a%20",
            "/%FF",
            "/...",
            "/a%0Ab",
        ] {
            assert_eq!(RequestPath::parse(path, true), None, "{path}");
        }
    }

    #[test]
    fn dot_files_are_hidden_unless_they_are_allowed() {
        for path in ["/.env", "/.git/config", "/a/.b/c", "/%2Eenv"] {
            assert_eq!(RequestPath::parse(path, false), None, "{path}");
            assert!(RequestPath::parse(path, true).is_some(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_leaves_the_folder(path in "(/|%2f|%5c|\\\\|\\.|%2e|%2E|a|:|%00|%25){0,12}") {
            if let Some(path) = RequestPath::parse(&path, true) {
                let within = |part| matches!(part, Component::Normal(_));
                prop_assert!(Path::new(&path.relative).components().all(within));
            }
        }
    }
}

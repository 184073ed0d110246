//! Checks that `ARCHITECTURE.md` leads to files and folders that exist (pure).

use crate::workspace::SourceFile;

const MAP: &str = "ARCHITECTURE.md";

/// Adds every path in the map that does not exist. Paths into a crate begin with the crate's name.
pub(super) fn check(files: &[SourceFile], found: &mut Vec<String>) {
    let Some(map) = files.iter().find(|file| file.path == MAP) else { return };
    for (number, line) in map.text.as_deref().unwrap_or_default().lines().enumerate() {
        // The odd pieces stand between backticks.
        for path in line.split('`').skip(1).step_by(2).filter(|text| is_path(text)) {
            let prefix = path.trim_end_matches('/');
            let exists = |root: &str| {
                let start = format!("{root}{prefix}");
                files.iter().any(|file| {
                    file.path
                        .strip_prefix(&start)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                })
            };
            if !exists("") && !exists("crates/") {
                found.push(format!(
                    "{MAP}:{}: `{path}` does not exist: correct the path",
                    number + 1
                ));
            }
        }
    }
}

/// Whether the text is a path with a folder, and not code or a name of a room within a crate.
fn is_path(text: &str) -> bool {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/_-.".contains(c));
    let inner = text.trim_end_matches('/');
    is_plain && inner.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(map: &str) -> Vec<String> {
        let file = |path: &str, text: &str| SourceFile {
            path: path.to_owned(),
            bytes: 0,
            text: Some(text.to_owned()),
        };
        let files =
            [file(MAP, map), file("crates/core/src/lib.rs", ""), file("docs/design/hub.md", "")];
        let mut found = Vec::new();
        check(&files, &mut found);
        found
    }

    #[test]
    fn paths_that_exist_are_fine_and_others_are_named_with_their_line() {
        assert!(found("`core/src/lib.rs`, `docs/design/`, `src/` and `a / b`").is_empty());
        assert_eq!(
            found("one\n`core/src/old.rs` and `core/src/li`"),
            [
                "ARCHITECTURE.md:2: `core/src/old.rs` does not exist: correct the path",
                "ARCHITECTURE.md:2: `core/src/li` does not exist: correct the path"
            ]
        );
    }
}

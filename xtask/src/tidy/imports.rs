//! Checks that modules import a name from the module that owns it, as in `crate::route::Tree`, and
//! not through the re-exports at the root of the crate (pure).
//!
//! `lib.rs` re-exports names for users. A module that imports through it depends on every module of
//! the crate, so the order of the modules, from the lowest to the highest, cannot be seen any more.

use crate::workspace::SourceFile;

/// Adds every import that goes through the root of a crate in `crates/`.
pub(super) fn check(files: &[SourceFile], found: &mut Vec<String>) {
    for file in files.iter().filter(|file| is_module(&file.path)) {
        for (line, names) in root_imports(file.text.as_deref().unwrap_or_default()) {
            found.push(format!(
                "{}:{line}: imports {} through the root of the crate: import from the owner, which is a module (`crate::module::{}`) or another crate",
                file.path,
                names.join(", "),
                names[0]
            ));
        }
    }
}

/// Whether the file is in `crates/*/src`, at any depth, and is not the root of the crate.
fn is_module(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let is_source = matches!(parts.as_slice(), ["crates", _, "src", ..]);
    let is_root = matches!(parts.as_slice(), ["crates", _, "src", "lib.rs"]);
    is_source && !is_root && path.ends_with(".rs")
}

/// The types, traits and constants that the text imports directly from `crate`: those of each
/// `use`, and the number of its line, from 1.
fn root_imports(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut imports = Vec::new();
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if let Some(tree) = crate_tree(line) {
            let begin = offset + line.len() - tree.len();
            let tree = text[begin..].split(';').next().unwrap_or_default();
            let names = first_names(tree);
            if !names.is_empty() {
                imports.push((index + 1, names));
            }
        }
        offset += line.len();
    }
    imports
}

/// The text after `use crate::`, if the line begins with it, with or without a visibility.
fn crate_tree(line: &str) -> Option<&str> {
    let rest = line.trim_start();
    let rest = match rest.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => &rest[rest.find(')')? + 1..],
        Some(rest) => rest,
        None => rest,
    };
    rest.trim_start().strip_prefix("use ")?.trim_start().strip_prefix("crate::")
}

/// The first names of all paths in a tree of imports that begin with an upper-case letter.
fn first_names(tree: &str) -> Vec<String> {
    let paths = match tree.trim_start().strip_prefix('{') {
        Some(group) => paths_of_group(group),
        None => vec![tree],
    };
    let names = paths.into_iter().map(|path| {
        let path = path.trim_start();
        path.split(|next: char| !next.is_alphanumeric() && next != '_').next().unwrap_or_default()
    });
    names.filter(|name| name.starts_with(char::is_uppercase)).map(str::to_owned).collect()
}

/// The paths of a group, whose text begins after its `{`. Groups within it are not divided.
fn paths_of_group(group: &str) -> Vec<&str> {
    let (mut paths, mut begin, mut depth) = (Vec::new(), 0, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                paths.push(&group[begin..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                paths.push(&group[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found_in(path: &str, text: &str) -> Vec<String> {
        let file = SourceFile { path: path.to_owned(), bytes: 0, text: Some(text.to_owned()) };
        let mut found = Vec::new();
        check(&[file], &mut found);
        found
    }

    /// The check must find an import of each of these names, with the number of its line.
    #[track_caller]
    fn check_text(text: &str, expect: &[&str]) {
        let found = found_in("crates/volga-core/src/route/tree.rs", text);
        let fits = found.len() == expect.len()
            && found.iter().zip(expect).all(|(one, part)| one.contains(part));
        assert!(fits, "expected {expect:#?}, found {found:#?}");
    }

    #[test]
    fn a_name_comes_from_its_module() {
        check_text(
            "use crate::route::Tree;\nuse crate::{error::Error, route::{Node, Tree}};\n",
            &[],
        );
        check_text(
            "use crate::route;\nuse super::Tree;\nuse other::Tree;\nuse crates::Tree;\n",
            &[],
        );
        check_text("use crate::status_macro;\nuse crate::{self as root, json as Json};\n", &[]);
    }

    #[test]
    fn a_name_from_the_root_of_the_crate_is_found() {
        check_text("\nuse crate::Tree;\n", &["tree.rs:2: imports Tree through"]);
        check_text("use crate::Tree as Routes;\n", &["(`crate::module::Tree`)"]);
        check_text("use crate::Method::{Get, Post};\n", &["imports Method through"]);
        check_text("use crate::DEFAULT_MAX_EVENT;\n", &["imports DEFAULT_MAX_EVENT"]);
        check_text(
            "use crate::{\n    BoxError, Error,\n    route::{Node, Tree},\n    Zone,\n};\n",
            &["tree.rs:1: imports BoxError, Error, Zone through"],
        );
    }

    #[test]
    fn a_re_export_and_a_test_import_from_the_owner_as_well() {
        check_text(
            "pub use crate::Tree;\npub(crate) use crate::Node;\n",
            &["imports Tree", "imports Node"],
        );
        check_text(
            "mod tests {\n    use crate::{Tree};\n}\n",
            &["tree.rs:2: imports Tree through"],
        );
    }

    #[test]
    fn comments_and_examples_may_name_the_root() {
        check_text("/// use crate::Tree;\n// use crate::Tree;\n//! [`crate::Tree`]\n", &[]);
    }

    #[test]
    fn the_root_and_other_folders_are_not_checked() {
        for path in
            ["crates/volga/src/lib.rs", "crates/volga/tests/it/main.rs", "xtask/src/main.rs"]
        {
            assert_eq!(found_in(path, "use crate::Tree;\n"), [""; 0], "{path}");
        }
    }
}

//! Checks that the compiler does not make: file sizes, module docs, reasons for silenced lints, and
//! examples that the guide mentions.
//!
//! Each rule is a pure function of paths and texts, and `run` calls them with the files of the
//! repository.
//!
//! | module | rule |
//! |---|---|
//! | `example_pages` | pages of examples name their source, their guide page and what to try |
//! | `facade_examples` | what `volga` exports has an example there |
//! | `imports` | modules import a name from its owner, not through the root of the crate |
//! | `line_width` | lines of prose have at most 100 columns |
//! | `links` | links lead to files, and the guide's table of contents is complete |
//! | `map` | the paths in `ARCHITECTURE.md` exist |
//! | `next_page` | each page of the guide ends with a link to the next one |
//! | `translation` | translated pages show the code of the English pages |
//! | `unpublished` | no text makes a reader look for our crates in a registry |

mod example_pages;
mod facade_examples;
mod imports;
mod line_width;
mod links;
mod map;
mod next_page;
mod translation;
mod unpublished;

use crate::{
    tools::{Failure, Style, paint},
    workspace::{SourceFile, Workspace},
};

/// From this number of lines, a Rust file probably has more than one idea: `tidy` warns.
const WARN_LINES: usize = 600;
/// With this number of lines, a Rust file is too long to be read from top to bottom: `tidy` fails.
const MAX_LINES: usize = 1_000;
/// How many bytes any file may have, so that cloning the repository stays quick.
const MAX_BYTES: u64 = 1024 * 1024;

/// Checks all files of the repository.
///
/// # Errors
/// Lists every violation, one on each line.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let files = workspace.files()?;
    for file in &files {
        if let Some(lines) =
            rust_lines(file).filter(|lines| (WARN_LINES..MAX_LINES).contains(lines))
        {
            let warning = format!(
                "warning: {} has {lines} lines: does it have more than one idea?",
                file.path
            );
            println!("{}", paint(Style::Warn, &warning));
        }
    }
    let found = check(&files);
    println!("{} files checked", files.len());
    Failure::from_findings(&found, "the repository is not tidy")
}

/// Returns a text for each violation in these files.
fn check(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        check_size(file, &mut found);
        let Some(text) = file.text.as_deref().filter(|_| file.path.ends_with(".rs")) else {
            continue;
        };
        if needs_module_doc(&file.path) {
            check_module_doc(&file.path, text, &mut found);
        }
        check_silenced(&file.path, text, &mut found);
    }
    check_examples(files, &mut found);
    example_pages::check(files, &mut found);
    facade_examples::check(files, &mut found);
    imports::check(files, &mut found);
    line_width::check(files, &mut found);
    links::check(files, &mut found);
    map::check(files, &mut found);
    next_page::check(files, &mut found);
    translation::check(files, &mut found);
    unpublished::check(files, &mut found);
    found
}

fn check_size(file: &SourceFile, found: &mut Vec<String>) {
    if file.bytes > MAX_BYTES {
        let kib = file.bytes / 1024;
        found.push(format!(
            "{}: {kib} KiB, but 1024 KiB are allowed: generate the file, or keep it elsewhere",
            file.path
        ));
    }
    if let Some(lines) = rust_lines(file).filter(|lines| *lines >= MAX_LINES) {
        found.push(format!(
            "{}: {lines} lines, but a file must have fewer than {MAX_LINES}: split it, so that each file has one idea",
            file.path
        ));
    }
}

fn rust_lines(file: &SourceFile) -> Option<usize> {
    file.text.as_deref().filter(|_| file.path.ends_with(".rs")).map(|text| text.lines().count())
}

/// Whether the file is in `crates/*/src`, `examples/*/src` or `xtask/src`, at any depth.
fn needs_module_doc(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(parts.as_slice(), ["crates" | "examples", _, "src", ..] | ["xtask", "src", ..])
}

fn check_module_doc(path: &str, text: &str, found: &mut Vec<String>) {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if !first.starts_with("//!") && !first.starts_with("#![doc") {
        found.push(format!(
            "{path}:1: no module documentation: begin with a `//!` that says what the file is for"
        ));
    }
}

/// Each ignored test and each silenced lint must have a reason.
fn check_silenced(path: &str, text: &str, found: &mut Vec<String>) {
    let mut offset = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let place = format!("{path}:{}", number + 1);
        if in_code(line, "#[ignore]").is_some() {
            found.push(format!("{place}: #[ignore] without a reason: write #[ignore = \"why\"]"));
        }
        if in_code(line, "#[allow(").or(in_code(line, "#![allow(")).is_some() {
            found.push(format!(
                "{place}: `allow`: write #[expect(…, reason = \"…\")], which warns once it is no longer needed"
            ));
        }
        if let Some(at) = in_code(line, "#[expect(").or(in_code(line, "#![expect(")) {
            let rest = &text[offset + at..];
            if !rest[..rest.find(")]").unwrap_or(rest.len())].contains("reason") {
                found.push(format!(
                    "{place}: `expect` without a reason: write #[expect(…, reason = \"…\")]"
                ));
            }
        }
        offset += line.len();
    }
}

/// The column of the attribute in the line, unless it is part of a comment or a string.
fn in_code(line: &str, attribute: &str) -> Option<usize> {
    line.find(attribute).filter(|&at| !line[..at].contains('"') && !line[..at].contains("//"))
}

/// Each example must be mentioned on a page, and its manifest must say how the smoke test starts
/// it.
fn check_examples(files: &[SourceFile], found: &mut Vec<String>) {
    let is_page = |path: &str| {
        path == "README.md" || (path.starts_with("docs/src/") && path.ends_with(".md"))
    };
    let pages: Vec<&str> = files
        .iter()
        .filter(|file| is_page(&file.path))
        .filter_map(|file| file.text.as_deref())
        .collect();
    for file in files {
        let Some(name) =
            file.path.strip_prefix("examples/").and_then(|rest| rest.strip_suffix("/Cargo.toml"))
        else {
            continue;
        };
        let manifest = file.text.as_deref().unwrap_or_default();
        if !manifest.lines().any(|line| line.trim() == "[package.metadata.smoke]") {
            found.push(format!(
                "{}: no [package.metadata.smoke]: CONTRIBUTING.md says what to write there",
                file.path
            ));
        }
        let mentions = [format!("examples/{name}"), format!("-p {name}")];
        if !pages.iter().any(|page| mentions.iter().any(|mention| has_word(page, mention))) {
            found.push(format!(
                "{}: no page mentions the example: write `examples/{name}` in README.md or on a page of docs/src",
                file.path
            ));
        }
    }
}

/// Whether the text contains the words, and not only as the beginning of a longer name.
fn has_word(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let next = text[at + words.len()..].chars().next();
        !next.is_some_and(|next| next.is_alphanumeric() || next == '-' || next == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMOKE: &str = "[package]\n\n[package.metadata.smoke]\nurl = \"\"\n";

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), bytes: text.len() as u64, text: Some(text.to_owned()) }
    }

    /// The check must find exactly one violation for each `expect`, whose text contains it.
    #[track_caller]
    fn check_files(files: &[SourceFile], expect: &[&str]) {
        let found = check(files);
        let fits = found.len() == expect.len()
            && found.iter().zip(expect).all(|(one, part)| one.contains(part));
        assert!(fits, "expected {expect:#?}, found {found:#?}");
    }

    #[track_caller]
    fn check_rust(text: &str, expect: &[&str]) {
        check_files(&[file("crates/volga/tests/it/main.rs", text)], expect);
    }

    #[test]
    fn a_tidy_repository_passes() {
        check_files(
            &[
                file("crates/volga/src/lib.rs", "//! Contents.\n"),
                file("crates/volga/src/app.rs", "\n//! The app.\n"),
                file("examples/chat/src/main.rs", "#![doc = include_str!(\"../README.md\")]\n"),
                file("examples/chat/Cargo.toml", SMOKE),
                file("README.md", "Run `cargo run -p chat`.\n"),
            ],
            &[],
        );
    }

    #[test]
    fn a_file_must_not_be_too_long_or_too_large() {
        check_rust(&"//\n".repeat(999), &[]);
        check_rust(&"//\n".repeat(1_000), &["1000 lines"]);
        let large = SourceFile { path: "logo.png".into(), bytes: MAX_BYTES + 1, text: None };
        check_files(&[large], &["logo.png: 1024 KiB"]);
    }

    #[test]
    fn a_module_begins_with_its_documentation() {
        for path in
            ["crates/volga/src/route/mod.rs", "examples/chat/src/main.rs", "xtask/src/main.rs"]
        {
            check_files(&[file(path, "// no doc\nfn main() {}\n")], &["no module documentation"]);
            check_files(&[file(path, "")], &["no module documentation"]);
        }
        check_files(&[file("crates/volga/tests/it/main.rs", "fn main() {}\n")], &[]);
    }

    #[test]
    fn an_ignored_test_has_a_reason() {
        check_rust("#[test]\n    #[ignore]\nfn a() {}\n", &["main.rs:2: #[ignore]"]);
        check_rust(
            "#[ignore = \"needs a phone line\"]\n// #[ignore]\nlet a = \"#[ignore]\";\n",
            &[],
        );
    }

    #[test]
    fn a_silenced_lint_is_expected_and_has_a_reason() {
        check_rust("#[allow(dead_code)]\n", &["main.rs:1: `allow`"]);
        check_rust("#![allow(dead_code)]\n", &["main.rs:1: `allow`"]);
        check_rust("\nfn a(#[expect(unused)] b: u8) {}\n", &["main.rs:2: `expect` without"]);
        check_rust("#[expect(\n    unused,\n    reason = \"the macro names it\"\n)]\n", &[]);
        check_rust(
            "#[expect(unused)]\nconst A: &str = \"reason)]\";\n",
            &["main.rs:1: `expect` without"],
        );
    }

    #[test]
    fn an_example_is_tested_and_mentioned() {
        let readme = file("README.md", "See examples/chat-room and `-p chatter`.\n");
        check_files(&[file("examples/chat/Cargo.toml", SMOKE), readme], &["no page mentions"]);
        let page = file("docs/src/SUMMARY.md", "examples/chat\n");
        check_files(
            &[file("examples/chat/Cargo.toml", "[package]\n"), page],
            &["no [package.metadata.smoke]"],
        );
    }
}

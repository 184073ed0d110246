//! What a compiler does not check: file sizes, module docs, reasons, examples and guide pages that
//! belong together.
//!
//! Each rule is a pure function of paths and texts; `run` only feeds them the repository's files.
//! Links are in `links`, dependencies that a reader could copy are in `unpublished`.

mod links;
mod unpublished;

use crate::{
    tools::{Failure, Style, paint},
    workspace::{SourceFile, Workspace},
};

/// Lines of a Rust file from which on it holds more than one idea.
const WARN_LINES: usize = 600;
/// Lines of a Rust file that nobody reads from top to bottom.
const MAX_LINES: usize = 1_000;
/// Bytes of any file: a clone stays quick.
const MAX_BYTES: u64 = 1024 * 1024;

/// Checks all files of the repository.
///
/// # Errors
/// Every violation, one a line.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let files = workspace.files()?;
    for file in &files {
        if let Some(lines) =
            rust_lines(file).filter(|lines| (WARN_LINES..MAX_LINES).contains(lines))
        {
            let warning =
                format!("warning: {} has {lines} lines: does it hold two ideas?", file.path);
            println!("{}", paint(Style::Warn, &warning));
        }
    }
    let found = check(&files);
    println!("{} files looked at", files.len());
    Failure::from_findings(&found, "the repository is not tidy")
}

/// Every violation in these files.
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
    links::check(files, &mut found);
    unpublished::check(files, &mut found);
    found
}

fn check_size(file: &SourceFile, found: &mut Vec<String>) {
    if file.bytes > MAX_BYTES {
        let kib = file.bytes / 1024;
        found.push(format!(
            "{}: {kib} KiB, 1024 are allowed: generate it, or keep it elsewhere",
            file.path
        ));
    }
    if let Some(lines) = rust_lines(file).filter(|lines| *lines >= MAX_LINES) {
        found.push(format!(
            "{}: {lines} lines, fewer than {MAX_LINES} are allowed: split it, one idea a file",
            file.path
        ));
    }
}

fn rust_lines(file: &SourceFile) -> Option<usize> {
    file.text.as_deref().filter(|_| file.path.ends_with(".rs")).map(|text| text.lines().count())
}

/// `crates/*/src`, `examples/*/src` and `xtask/src`, at any depth.
fn needs_module_doc(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(parts.as_slice(), ["crates" | "examples", _, "src", ..] | ["xtask", "src", ..])
}

fn check_module_doc(path: &str, text: &str, found: &mut Vec<String>) {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if !first.starts_with("//!") && !first.starts_with("#![doc") {
        found.push(format!("{path}:1: starts without a `//!` that says what the file is for"));
    }
}

/// What is switched off says why.
fn check_silenced(path: &str, text: &str, found: &mut Vec<String>) {
    let mut offset = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let place = format!("{path}:{}", number + 1);
        if in_code(line, "#[ignore]").is_some() {
            found.push(format!("{place}: #[ignore] without a reason: #[ignore = \"why\"]"));
        }
        if in_code(line, "#[allow(").or(in_code(line, "#![allow(")).is_some() {
            found.push(format!("{place}: `allow`: use #[expect(…, reason = \"…\")], which tells when it is needed no more"));
        }
        if let Some(at) = in_code(line, "#[expect(").or(in_code(line, "#![expect(")) {
            let rest = &text[offset + at..];
            if !rest[..rest.find(")]").unwrap_or(rest.len())].contains("reason") {
                found.push(format!(
                    "{place}: `expect` without a reason: #[expect(…, reason = \"…\")]"
                ));
            }
        }
        offset += line.len();
    }
}

/// Where the attribute stands in the line, unless in a comment or a text.
fn in_code(line: &str, attribute: &str) -> Option<usize> {
    line.find(attribute).filter(|&at| !line[..at].contains('"') && !line[..at].contains("//"))
}

/// An example is one that a reader can find and that the smoke test starts.
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
                "{}: no [package.metadata.smoke]: CONTRIBUTING.md says what goes there",
                file.path
            ));
        }
        let mentions = [format!("examples/{name}"), format!("-p {name}")];
        if !pages.iter().any(|page| mentions.iter().any(|mention| has_word(page, mention))) {
            found.push(format!(
                "{}: neither README.md nor a page of docs/src mentions examples/{name}",
                file.path
            ));
        }
    }
}

/// Whether the text holds the words, not as the beginning of a longer name.
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

    /// The files must give exactly these findings; each `expect` is a part of one.
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
    fn a_file_has_a_natural_size() {
        check_rust(&"//\n".repeat(999), &[]);
        check_rust(&"//\n".repeat(1_000), &["1000 lines"]);
        let large = SourceFile { path: "logo.png".into(), bytes: MAX_BYTES + 1, text: None };
        check_files(&[large], &["logo.png: 1024 KiB"]);
    }

    #[test]
    fn a_module_says_what_it_is_for() {
        for path in
            ["crates/volga/src/route/mod.rs", "examples/chat/src/main.rs", "xtask/src/main.rs"]
        {
            check_files(&[file(path, "// no doc\nfn main() {}\n")], &["starts without"]);
            check_files(&[file(path, "")], &["starts without"]);
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
    fn silence_is_expected_and_has_a_reason() {
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
    fn an_example_is_started_and_can_be_found() {
        let readme = file("README.md", "See examples/chat-room and `-p chatter`.\n");
        check_files(
            &[file("examples/chat/Cargo.toml", SMOKE), readme],
            &["mentions examples/chat"],
        );
        let page = file("docs/src/SUMMARY.md", "examples/chat\n");
        check_files(
            &[file("examples/chat/Cargo.toml", "[package]\n"), page],
            &["no [package.metadata.smoke]"],
        );
    }
}

//! The pages of the guide about hubs name the tests of their promises, and these tests and files
//! exist.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

const PAGES: [&str; 14] = [
    "messages",
    "lists-and-changes",
    "server-sent-events",
    "hub",
    "topics",
    "keyed-topics",
    "presence",
    "resume",
    "slow-readers",
    "several-nodes",
    "surviving-a-restart",
    "watching-a-hub",
    "replies",
    "shutdown-and-deploys",
];

/// The files below a directory.
fn files(directory: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files(&path, all) } else { all.push(path) }
    }
}

/// The page leaves out what `let` and `Ok` stand around.
#[test]
fn the_lines_of_the_ticker_on_a_page_are_those_of_the_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/src/keyed-topics.md")).expect("a page");
    let example = fs::read_to_string(root.join("examples/ticker/src/main.rs")).expect("a file");
    let (_, quoted) = page.split_once("```rust,ignore\n").expect("a quotation");
    let (quoted, _) = quoted.split_once("```").expect("its end");
    for line in quoted.lines() {
        let line = line.strip_prefix("let hub = ").unwrap_or(line).trim_end_matches(';');
        assert!(example.contains(line), "{line}");
    }
    assert_eq!(quoted.lines().count(), 3);
}

#[test]
fn every_test_that_a_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths = Vec::new();
    ["crates", "browser/tests"].iter().for_each(|one| files(&root.join(one), &mut paths));
    let rust = paths.iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let all: String = rust.map(|path| fs::read_to_string(path).expect("text")).collect();
    let tests = all.split("fn ").skip(1).filter_map(|rest| rest.split_once('('));
    let tests: HashSet<&str> = tests.map(|(name, _)| name).collect();
    for page in PAGES {
        let text = fs::read_to_string(root.join(format!("docs/src/{page}.md"))).expect("a page");
        let in_code = || text.split('`').skip(1).step_by(2);
        for name in in_code().filter(|name| name.matches('_').count() > 4) {
            let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(!is_name || tests.contains(name), "{page}.md names {name}");
        }
        for name in in_code().filter(|code| code.ends_with(".rs") || code.ends_with(".mjs")) {
            assert!(paths.iter().any(|path| path.ends_with(name)), "{page}.md names {name}");
        }
        let (_, table) = text.split_once("## Where it is tested").expect("a list of tests");
        let names = table.split('`').skip(1).step_by(2).filter(|name| !name.contains(['.', '/']));
        let mut count = 0;
        for name in names.filter(|name| name.matches('_').count() > 2) {
            assert!(tests.contains(name), "{page}.md names the test {name}");
            count += 1;
        }
        assert!(count > 3, "{page}.md names {count} tests");
    }
}

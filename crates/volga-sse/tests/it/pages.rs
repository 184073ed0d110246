//! The pages of the guide about hubs name the tests of their promises, and these tests exist.

use std::{fs, path::Path};

const PAGES: [&str; 12] = [
    "hub",
    "topics",
    "keyed-topics",
    "presence",
    "resume",
    "slow-readers",
    "several-nodes",
    "sizing",
    "surviving-a-restart",
    "watching-a-hub",
    "replies",
    "shutdown-and-deploys",
];

/// The text of every Rust file below a directory.
fn sources(directory: &Path, all: &mut String) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(path).expect("text"));
        }
    }
}

#[test]
fn every_test_that_a_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut all = String::new();
    sources(&root.join("crates"), &mut all);
    for page in PAGES {
        let text = fs::read_to_string(root.join(format!("docs/src/{page}.md"))).expect("a page");
        let in_code = || text.split('`').skip(1).step_by(2);
        for name in in_code().filter(|name| name.matches('_').count() > 4) {
            let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(!is_name || all.contains(&format!("fn {name}(")), "{page}.md names {name}");
        }
        let (_, table) = text.split_once("## Where it is tested").expect("a list of tests");
        let names = table.split('`').skip(1).step_by(2).filter(|name| !name.contains(['.', '/']));
        let mut count = 0;
        for name in names.filter(|name| name.matches('_').count() > 2) {
            assert!(all.contains(&format!("fn {name}(")), "{page}.md names the test {name}");
            count += 1;
        }
        assert!(count > 3, "{page}.md names {count} tests");
    }
}

//! The pages of the guide about hubs name the tests of their promises, and these tests and files
//! exist.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::FutureExt;
use http_body_util::BodyExt;
use volga_sse::{
    Message, Sse,
    hub::{Hub, Subscription},
};

const PAGES: [&str; 15] = [
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
    "sizing",
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
    ["crates", "tests", "browser/tests"].iter().for_each(|one| files(&root.join(one), &mut paths));
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

fn page(path: &str) -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    fs::read_to_string(docs.join(path)).expect("a page")
}

/// The bytes that a stream of the chat sends at once.
fn sent(subscription: Subscription) -> String {
    let sse = Sse::new(subscription).retry(Duration::from_secs(1));
    let mut body = Box::pin(sse.into_response().into_body());
    let mut bytes = Vec::new();
    while let Some(Some(frame)) = body.frame().now_or_never() {
        bytes.extend(frame.expect("no error").into_data().expect("data"));
    }
    String::from_utf8(bytes).expect("text")
}

#[tokio::test]
async fn the_streams_on_the_page_about_resume_are_those_of_a_hub() {
    for path in ["src/resume.md", "ru/resume.md"] {
        let text = page(path);
        let mut blocks = text.split("```console\n$ curl").skip(1).map(|block| {
            let block = block.split("```").next().expect("its end");
            block.split_once('\n').expect("a line").1.to_owned()
        });
        // The page has the IDs of a hub that has ended.
        let of_page = |text: &str, hub: &Hub| {
            text.replace("57cea501c81b", &format!("{:x}", hub.position().epoch()))
        };
        let hub = Hub::builder().max_messages(1).build();
        let block = of_page(&blocks.next().expect("a gap"), &hub);
        let data = block.lines().find_map(|line| line.strip_prefix("data: {\"author\""));
        let last = format!("{{\"author\"{}", data.expect("a message"));
        for number in 1..=15 {
            let data = if number == 15 { last.as_str() } else { "earlier" };
            hub.publish("room", Message::new().data(data)).expect("published");
        }
        let id = of_page("57cea501c81b-3", &hub);
        assert_eq!(sent(hub.subscribe("room").resume(id).open().expect("open")), block);

        let hub = Hub::new();
        let block = of_page(&blocks.next().expect("a new client"), &hub);
        assert_eq!(sent(hub.subscribe("room").open().expect("open")), block);
        assert_eq!(blocks.next(), None);
    }
}

/// `cargo xtask compat` checks that the clients do what the table of "What clients do" says.
#[test]
fn the_clients_on_the_page_about_resume_read_as_the_table_of_clients_says() {
    let table = page("src/what-clients-do.md");
    let (_, table) = table.split_once("Clients that read what").expect("the table");
    let (table, _) = table.split_once("Clients of language models").expect("its end");
    let clients = |does: &str| {
        let rows = table.lines().filter(|line| line.contains(does));
        let names = rows.map(|row| row.trim_matches(['|', ' ']).split([' ', '|']).next());
        names.map(|name| name.expect("a name").to_owned()).collect::<BTreeSet<_>>()
    };
    let takes_blank_lines = clients("blank line for an e");
    let forgets: BTreeSet<_> =
        clients("its own ID only").difference(&takes_blank_lines).cloned().collect();
    assert!(!takes_blank_lines.is_empty() && !forgets.is_empty());
    assert_eq!(clients("forgets an ID without data").len(), 1, "that of LaunchDarkly");
    for path in ["src/resume.md", "ru/resume.md"] {
        let text = page(path);
        let row = text.lines().find(|line| line.contains("`httpx-sse`")).expect("a row");
        let (of_messages, of_ids) = row.split_once("LaunchDarkly").expect("the client");
        let names = |text: &str| {
            let names = text.split('`').skip(1).step_by(2);
            names.map(str::to_owned).collect::<BTreeSet<_>>()
        };
        assert_eq!(names(of_messages), takes_blank_lines, "{path}");
        assert_eq!(names(of_ids), forgets, "{path}");
    }
}

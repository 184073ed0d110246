//! The pages of the guide about hubs name the tests of their promises, and these tests exist.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use futures_util::FutureExt;
use http_body_util::BodyExt;
use volga_sse::{
    Message, Sse,
    hub::{Hub, Subscription},
};

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

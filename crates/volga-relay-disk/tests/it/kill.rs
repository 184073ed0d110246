//! A process that is killed at any moment and starts again.
//!
//! The process is this program, which runs the test `child`. It sends messages, and reads what the
//! hub delivers. It prints both, and the test compares them when it has killed it often enough.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use volga_relay_disk::Durability;
use volga_sse::{Message, Position, hub::Hub};

use super::support::{Received, log, open, ready, received};

const WRITERS: usize = 4;
const KILLS: u64 = 12;
const TOPICS: [&str; 3] = ["t.a", "t.b", "t.c"];

/// A small generator (SplitMix64).
fn random(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}

fn durability(name: &str) -> Durability {
    match name {
        "each" => Durability::EachBatch,
        _ => Durability::Every(Duration::from_millis(20)),
    }
}

/// The process that is killed. It is no test by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(folder) = std::env::var("VOLGA_DISK_CHILD") else { return };
    let variable = |name| std::env::var(name).unwrap_or_default();
    let log = log(Path::new(&folder)).durability(durability(&variable("DURABILITY")));
    let hub = open(&log);
    let resume = Some(variable("LAST_ID")).filter(|id| !id.is_empty());
    let mut client = hub.subscribe("t.*").resume(resume).open().unwrap();
    let print = |line: String| {
        let mut out = std::io::stdout().lock();
        // The test may have gone.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    };
    print(format!("@ start {}", hub.position()));
    for (writer, next) in variable("NEXT").split(',').enumerate() {
        let (hub, next): (Hub, u64) = (hub.clone(), next.parse().unwrap());
        tokio::spawn(async move {
            for number in next.. {
                let text = format!("{writer}-{number}");
                let topic = TOPICS[number as usize % TOPICS.len()];
                let sent = hub.send(topic, Message::new().data(&text)).retry_key(text.as_str());
                let receipt = sent.await.unwrap();
                print(format!("@ ack {} {writer} {number}", receipt.position));
            }
        });
    }
    loop {
        match client.next().await.and_then(received) {
            Some(Received::Message(at, text)) => print(format!("@ got {at} {text}")),
            Some(Received::Gap(after, through)) => {
                let after = after.map_or_else(|| "null".to_owned(), |after| after.to_string());
                print(format!("@ gap {after} {through}"));
            }
            None => {}
        }
    }
}

#[derive(Default)]
struct Seen {
    /// The first position of all.
    start: Option<Position>,
    last_id: Option<Position>,
    received: Vec<Received>,
    acknowledged: BTreeMap<String, Position>,
    next: [u64; WRITERS],
}

impl Seen {
    fn note(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split(' ').collect();
        let at = |index: usize| words[index].parse::<Position>().ok();
        match words[1] {
            "start" => {
                self.start = self.start.or(at(2));
                // As a browser: an ID without an event.
                self.last_id = self.last_id.or(at(2));
            }
            "ack" => {
                let (writer, number) = (words[3].parse::<usize>().unwrap(), words[4]);
                self.acknowledged.insert(format!("{writer}-{number}"), at(2).unwrap());
                self.next[writer] = number.parse::<u64>().unwrap() + 1;
                return true;
            }
            "got" => {
                self.last_id = at(2);
                self.received.push(Received::Message(at(2).unwrap(), words[3].to_owned()));
            }
            "gap" => {
                self.last_id = at(3);
                self.received.push(Received::Gap(at(2), at(3).unwrap()));
            }
            other => panic!("{other}"),
        }
        false
    }

    /// Starts the process, and kills it after it has said that so many messages are acknowledged.
    fn run(&mut self, folder: &Path, durability: &str, kill_after: u64) {
        let next: Vec<_> = self.next.iter().map(u64::to_string).collect();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child", "--nocapture"])
            .env("VOLGA_DISK_CHILD", folder)
            .env("DURABILITY", durability)
            .env("NEXT", next.join(","))
            .env("LAST_ID", self.last_id.map(|id| id.to_string()).unwrap_or_default())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut acknowledged = 0;
        let mut line = Vec::new();
        // A line without an end was cut by the kill.
        while out.read_until(b'\n', &mut line).unwrap() > 0 && line.last() == Some(&b'\n') {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if let Some(from) = text.find("@ ") {
                acknowledged += u64::from(self.note(&text[from..]));
            }
            if acknowledged == kill_after {
                // SIGKILL. What the process has written before is still read.
                child.kill().unwrap();
                acknowledged += 1;
            }
            line.clear();
        }
        child.wait().unwrap();
    }

    fn check(&mut self, folder: &Path, may_lose: bool) {
        let hub = open(&log(folder));
        let mut rest = hub.subscribe("t.*").resume(self.last_id.unwrap()).open().unwrap();
        self.received.extend(ready(&mut rest));
        let mut all = hub.subscribe("t.*").resume(self.start.unwrap()).open().unwrap();
        let lasting: BTreeSet<Position> = ready(&mut all)
            .into_iter()
            .map(|one| match one {
                Received::Message(at, _) => at,
                // This client has received nothing that was lost.
                Received::Gap(after, through) => panic!("{after:?} {through}"),
            })
            .collect();
        // How often each message came, and where it came first.
        let mut times: BTreeMap<Position, (usize, usize)> = BTreeMap::new();
        let mut texts = BTreeSet::new();
        let (mut last, mut gaps) = (None, Vec::new());
        for (index, one) in self.received.iter().enumerate() {
            let at = match one {
                Received::Message(at, text) => {
                    times.entry(*at).or_insert((0, index)).0 += 1;
                    // A message that did not last is sent again.
                    assert!(texts.insert(text) || may_lose, "{text} came twice");
                    *at
                }
                Received::Gap(after, through) => {
                    gaps.push((index, *after));
                    *through
                }
            };
            assert!(last.is_none_or(|last| last <= at), "{last:?} before {at}");
            last = Some(at);
        }
        assert!(may_lose || gaps.is_empty(), "{gaps:?}");
        for (text, position) in &self.acknowledged {
            let found = times.get(position);
            if lasting.contains(position) {
                assert_eq!(found.map(|(times, _)| *times), Some(1), "{text}");
            } else {
                assert!(may_lose, "{text} at {position} is lost");
                if let Some((_, index)) = found {
                    let takes_back = |(gap, after): &(usize, Option<Position>)| {
                        gap > index && after.is_none_or(|after| after < *position)
                    };
                    assert!(gaps.iter().any(takes_back), "{text} did not last: {gaps:?}");
                }
            }
        }
        assert!(self.acknowledged.len() as u64 >= KILLS);
    }
}

fn run(durability: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Seen::default();
    for kill in 1..=KILLS {
        seen.run(folder.path(), durability, 1 + random(kill) % 120);
    }
    seen.check(folder.path(), durability != "each");
}

#[test]
fn a_process_that_is_killed_loses_nothing_and_nobody_is_told_of_a_gap() {
    run("each");
}

#[test]
fn what_was_not_on_the_disk_is_reported_to_those_who_have_received_it() {
    run("every");
}

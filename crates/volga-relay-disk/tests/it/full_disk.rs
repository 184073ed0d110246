//! A disk that fails while the program runs: it is full, or it refuses every write.
//!
//! The program is this one, which runs the test `child`. The size of its files is limited while it
//! runs, so that the system refuses to write beyond the limit.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use futures_util::FutureExt;
use volga_sse::{Message, hub::Hub};

use super::support::{Received, log, open, ready, received};

/// More than the runs that a file remembers.
const FAILURES: usize = 70;

async fn until_ready(hub: &Hub) {
    while !hub.is_ready() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "@ {line}").and_then(|()| out.flush()).unwrap();
}

/// The process whose disk becomes full. It is no test by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(folder) = std::env::var("VOLGA_FULL_DISK_CHILD") else { return };
    let hub = open(&log(Path::new(&folder)));
    let mut client = hub.subscribe("t.a").open().unwrap();
    let first = hub.send("t.a", Message::new().data("0")).await.unwrap();
    print("start");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let mut acknowledged = vec!["0".to_owned()];
    let error = loop {
        let text = format!("{} {}", acknowledged.len(), "x".repeat(50_000));
        match hub.send("t.a", Message::new().data(&text)).await {
            Ok(_) => acknowledged.push(text),
            Err(error) => break error,
        }
    };
    let mut got = ready(&mut client);
    assert!(client.next().now_or_never().is_none(), "the stream is open");
    if std::env::var_os("VOLGA_NO_WRITES").is_some() {
        assert!(!hub.is_ready());
        assert!(hub.send("t.a", Message::new().data("-")).await.is_err());
        assert!(!hub.is_ready());
    } else {
        // On a full disk the log is opened again at once, and the next long message fails.
        for _ in 0..FAILURES {
            until_ready(&hub).await;
            let long = Message::new().data("x".repeat(50_000));
            assert!(hub.send("t.a", long).await.is_err());
        }
    }
    print(&format!("failed {error:?}"));
    std::io::stdin().read_line(&mut line).unwrap();
    until_ready(&hub).await;
    let last = hub.send("t.a", Message::new().data("last")).await.unwrap();
    acknowledged.push("last".to_owned());
    let is_last = |one: &Received| matches!(one, Received::Message(at, _) if *at == last.position);
    while !got.iter().any(is_last) {
        got.extend(received(client.next().await.unwrap()));
    }
    let check = |got: Vec<Received>, expect: &[String]| {
        let texts = got.into_iter().map(|one| match one {
            Received::Message(_, text) => text,
            Received::Gap(after, through) => panic!("{after:?} {through}"),
        });
        // Whether the message that failed is in the log was not known.
        let texts: Vec<_> = texts.filter(|text| acknowledged.contains(text)).collect();
        assert_eq!(texts, expect);
    };
    check(got, &acknowledged);
    let mut back = hub.subscribe("t.a").resume(first.position).open().unwrap();
    check(ready(&mut back), &acknowledged[1..]);
    assert_eq!(last.position.epoch(), first.position.epoch(), "the program has not restarted");
    print("end");
}

#[cfg(target_os = "linux")]
#[test]
fn when_the_disk_fails_streams_stay_open_and_the_log_goes_on_later() {
    for is_full in [true, false] {
        run(is_full);
    }
}

#[cfg(target_os = "linux")]
fn run(is_full: bool) {
    let folder = tempfile::tempdir().unwrap();
    // The signal of a limit would end the process. A full disk sends none.
    let mut child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "full_disk::child", "--nocapture"])
        .env("VOLGA_FULL_DISK_CHILD", folder.path())
        .envs((!is_full).then_some(("VOLGA_NO_WRITES", "1")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (pid, mut go) = (child.id().to_string(), child.stdin.take().unwrap());
    let limit = |bytes: &str| {
        let mut set = Command::new("prlimit");
        set.args(["--pid", &pid, &format!("--fsize={bytes}:")]);
        assert!(set.status().unwrap().success());
    };
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some((_, text)) = line.split_once("@ ") else { continue };
        match text.split(' ').next().unwrap() {
            "start" if is_full => {
                let file = folder.path().join("hub.redb").metadata().unwrap();
                limit(&file.len().to_string());
            }
            "start" => limit("1"),
            "failed" => limit("unlimited"),
            _ => {}
        }
        lines.push(text.to_owned());
        // The child may have ended.
        let _ = writeln!(go);
    }
    assert!(child.wait().unwrap().success(), "{lines:?}");
    assert_eq!(lines.len(), 3, "{lines:?}");
}

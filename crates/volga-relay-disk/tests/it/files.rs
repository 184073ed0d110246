//! A log is opened again, in use, or damaged.

use std::{fs, future::IntoFuture, thread, time::Duration};

use futures_util::future::join_all;
use volga_relay_disk::{DiskLog, DiskLogError, Durability};
use volga_sse::{
    Message, Position,
    hub::{Hub, PublishError, SendError, SubscriptionEnd},
};

use super::support::{Received, builder, log, open, ready};

fn text(text: impl ToString) -> Message {
    Message::new().data(text.to_string())
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let hub = open(&log);
    assert!(hub.is_ready());
    let start = hub.position();
    let mut clients = [hub.subscribe("t.*").open().unwrap(), hub.subscribe(">").open().unwrap()];
    let sent = (0..100).map(|n| std::future::IntoFuture::into_future(hub.send("t.a", text(n))));
    let receipts: Vec<_> = join_all(sent).await.into_iter().map(Result::unwrap).collect();
    assert!(receipts.iter().all(|receipt| receipt.machines == 1));
    let expect =
        receipts.iter().zip(0..).map(|(one, n)| Received::Message(one.position, format!("{n}")));
    let expect: Vec<_> = expect.collect();
    for client in &mut clients {
        assert_eq!(ready(client), expect);
    }
    let key = hub.send("k.x", text("old")).key("p").await.unwrap();
    hub.send("k.x", text("new")).key("p").retry_key("order 7").await.unwrap();
    hub.send("k.x", text("gone")).key("q").await.unwrap();
    let last = hub.send("k.x", text("removed")).remove_key("q").await.unwrap();
    let anna = hub.subscribe("t.a").identity("anna").open().unwrap();
    assert_eq!(hub.presence("t.a").len(), 1);
    drop((clients, anna, hub));

    let hub = open(&log);
    assert_eq!(hub.presence("t.a").len(), 0, "nobody has returned yet");
    for (resume, expect) in [(start, &expect[..]), (receipts[49].position, &expect[50..])] {
        let mut client = hub.subscribe("t.a").resume(resume).open().unwrap();
        assert_eq!(ready(&mut client), expect, "no gap");
    }
    assert_eq!((hub.stats().resumed, hub.stats().gaps), (2, 0));
    let mut newcomer = hub.subscribe("k.x").open().unwrap();
    let values = ready(&mut newcomer);
    assert!(matches!(&values[..], [Received::Message(_, value)] if value == "new"), "{values:?}");
    let mut back = hub.subscribe("k.x").resume(key.position).open().unwrap();
    assert_eq!(ready(&mut back).len(), 3);
    // A message with the same retry key is not published again.
    let again = hub.send("k.x", text("new")).key("p").retry_key("order 7").await.unwrap();
    assert!(again.position < last.position);
    assert_eq!(ready(&mut back), []);
    // New messages come after those that were there.
    let next = hub.send("t.a", text("next")).await.unwrap();
    assert!(next.position > last.position);
    let mut client = hub.subscribe("t.a").resume(receipts[99].position).open().unwrap();
    assert_eq!(ready(&mut client), [Received::Message(next.position, "next".to_owned())]);
    // An ID that nobody has sent is not believed.
    let ahead = Position::new(next.position.epoch(), next.position.number() + 7);
    let mut client = hub.subscribe("t.a").resume(ahead).open().unwrap();
    assert!(matches!(client.next().await, Some(volga_sse::hub::Delivery::Gap(_))));
}

#[tokio::test]
async fn what_was_dropped_is_a_gap_and_values_of_keys_stay() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).max_bytes(2_000);
    let hub = open(&log);
    let start = hub.position();
    hub.send("k.x", text("value")).key("p").await.unwrap();
    for n in 0..100 {
        hub.send("t.a", text(n)).await.unwrap();
    }
    drop(hub);
    let hub = open(&log);
    let mut client = hub.subscribe("t.a").resume(start).open().unwrap();
    let all = ready(&mut client);
    let Received::Gap(after, through) = &all[0] else { panic!("{all:?}") };
    assert_eq!(*after, Some(start));
    let kept: Vec<_> = all[1..]
        .iter()
        .map(|one| match one {
            Received::Message(at, text) => (at.number(), text.parse::<u64>().unwrap()),
            Received::Gap(..) => panic!("{all:?}"),
        })
        .collect();
    assert!((10..90).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept[0].0, through.number() + 1, "the gap ends where the messages begin");
    let all: Vec<u64> = (100 - kept.len() as u64..100).collect();
    assert_eq!(kept.iter().map(|(_, n)| *n).collect::<Vec<_>>(), all);
    let mut newcomer = hub.subscribe("k.x").open().unwrap();
    assert_eq!(ready(&mut newcomer).len(), 1);
}

#[tokio::test]
async fn a_log_has_room_for_so_many_keys() {
    let folder = tempfile::tempdir().unwrap();
    let hub = open(&log(folder.path()).max_keys(2));
    for (topic, key, is_refused) in
        [("k.a", "p", false), ("k.b", "p", false), ("k.c", "p", true), ("k.a", "p", false)]
    {
        let sent = hub.send(topic, text("x")).key(key).await;
        assert_eq!(matches!(sent, Err(SendError::Refused(_))), is_refused, "{topic} {sent:?}");
    }
    hub.send("k.a", text("x")).remove_key("p").await.unwrap();
    hub.send("k.c", text("x")).key("p").await.unwrap();
}

#[tokio::test]
async fn opening_waits_until_the_file_is_closed_or_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let hub = open(&log);
    hub.send("t.a", text("one")).await.unwrap();
    let soon = log.clone().open_timeout(Duration::from_millis(50));
    assert!(matches!(soon.open(builder()), Err(DiskLogError::InUse { .. })));
    let (begins, begun) = std::sync::mpsc::channel();
    let next = thread::spawn(move || {
        begins.send(()).unwrap();
        open(&log)
    });
    begun.recv().unwrap();
    drop(hub);
    let hub = next.join().unwrap();
    assert_eq!(hub.topic_stats("t.a").unwrap().messages, 1);
}

#[tokio::test]
async fn a_file_that_is_damaged_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let path = folder.path().join("hub.redb");
    let hub = open(&log);
    for n in 0..500 {
        hub.send("t.a", text(format!("{n} {}", "x".repeat(100)))).await.unwrap();
    }
    let in_use = log.clone().open_timeout(Duration::ZERO).open(builder()).unwrap_err();
    assert!(matches!(in_use, DiskLogError::InUse { .. }));
    assert!(in_use.to_string().contains("is in use; end the process"), "{in_use}");
    drop(hub);
    // The thread of the log closes the file a moment later.
    let whole = loop {
        if let Ok(_closed) = redb_lock(&path) {
            break fs::read(&path).unwrap();
        }
        std::thread::yield_now();
    };
    let copy = folder.path().join("copy.redb");
    let open_copy = |bytes: &[u8]| {
        fs::write(&copy, bytes).unwrap();
        DiskLog::new(&copy).open(builder())
    };
    let mut damaged = 0;
    // A part of the file, and a file that is something else.
    let parts = (1..8).map(|part| whole[..whole.len() * part / 8].to_vec());
    for bytes in parts.chain([b"hello, this is a text".to_vec(), vec![0; 100_000]]) {
        let error = open_copy(&bytes).map(drop).unwrap_err();
        assert!(matches!(error, DiskLogError::Damaged { .. }), "{} bytes: {error}", bytes.len());
        assert_eq!(fs::read(&copy).unwrap(), bytes, "nothing was changed");
        assert!(error.to_string().contains("move it away"), "{error}");
    }
    // A few bytes have changed. The rest is as it was, or the file is refused.
    for at in (0..whole.len()).step_by(whole.len() / 24) {
        let mut bytes = whole.clone();
        bytes[at..].iter_mut().take(16).for_each(|byte| *byte ^= 0x5a);
        match open_copy(&bytes) {
            Ok(hub) => {
                let messages = hub.topic_stats("t.a").map_or(0, |topic| topic.messages);
                assert_eq!(messages, 500, "byte {at}");
                drop(hub);
                while redb_lock(&copy).is_err() {
                    std::thread::yield_now();
                }
            }
            Err(error) => {
                let is_told =
                    matches!(error, DiskLogError::Damaged { .. } | DiskLogError::Format { .. });
                assert!(is_told, "byte {at}: {error}");
                assert_eq!(fs::read(&copy).unwrap(), bytes, "byte {at}: nothing was changed");
                damaged += 1;
            }
        }
    }
    assert!(damaged > 0);
    let missing = DiskLog::new(folder.path().join("no/such/folder/hub.redb"));
    let error = missing.open(Hub::builder()).unwrap_err();
    assert!(matches!(error, DiskLogError::Io { .. }), "{error:?}");
}

/// Whether no hub has the file open.
fn redb_lock(path: &std::path::Path) -> Result<(), std::fs::TryLockError> {
    let file = fs::File::open(path).unwrap();
    file.try_lock()
}

#[tokio::test]
async fn positions_keep_their_order_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let mut positions = Vec::new();
    for run in 0..4 {
        let before = milliseconds();
        let hub = open(&log);
        let epoch = hub.position().epoch();
        // It is the time of the start, or later if the run before started in the same millisecond.
        assert!(epoch >= before && epoch <= milliseconds() + run, "{epoch}");
        assert_eq!(hub.position().number(), 0);
        // Runs of many messages and of none: the numbers of a later run may be smaller.
        for n in 0..(3 - run) * 5 {
            positions.push(hub.send("t.a", text(n)).await.unwrap().position);
        }
    }
    let hub = open(&log);
    positions.push(hub.send("t.a", text(0)).await.unwrap().position);
    assert!(positions.is_sorted_by(|one, next| one < next), "{positions:?}");
    let epochs: std::collections::BTreeSet<u64> =
        positions.iter().map(|position| position.epoch()).collect();
    assert_eq!(epochs.len(), 4, "each run has an epoch of its own");
    // Also without the file, as long as the clock is not set back.
    drop(hub);
    until_closed(&folder.path().join("hub.redb"));
    fs::remove_file(folder.path().join("hub.redb")).unwrap();
    let last = *positions.last().unwrap();
    std::thread::sleep(Duration::from_millis(2));
    let hub = open(&log);
    assert!(hub.position() > last);
    // Clients are told of the gap.
    let mut client = hub.subscribe("t.a").resume(last).open().unwrap();
    assert!(matches!(&ready(&mut client)[..], [Received::Gap(None, _)]));
}

fn milliseconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_millis() as u64
}

/// The thread of the log closes the file a moment after its hub was dropped.
fn until_closed(path: &std::path::Path) {
    while redb_lock(path).is_err() {
        thread::yield_now();
    }
}

#[tokio::test]
async fn ids_of_the_last_64_runs_are_known() {
    const RUNS: usize = 70;
    const KNOWN: usize = 64;
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let mut positions = Vec::new();
    for run in 0..RUNS {
        let hub = open(&log);
        positions.push(hub.send("t.a", text(run)).await.unwrap().position);
    }
    // This run is one of them.
    let hub = open(&log);
    for (run, position) in positions.into_iter().enumerate() {
        let mut client = hub.subscribe("t.a").resume(position).open().unwrap();
        let all = ready(&mut client);
        if run > RUNS - KNOWN {
            assert_eq!(all.len(), RUNS - 1 - run, "run {run}: {all:?}");
            assert!(all.iter().all(|one| matches!(one, Received::Message(..))), "run {run}");
        } else if run < RUNS - KNOWN {
            assert!(matches!(all[0], Received::Gap(..)), "run {run}: {all:?}");
        }
    }
}

#[tokio::test]
async fn a_hub_reads_what_its_own_bounds_allow() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let hub = open(&log);
    let start = hub.position();
    for n in 0..50 {
        hub.send("t.a", text(n)).await.unwrap();
    }
    drop(hub);
    let hub = log.open(builder().max_messages(10)).unwrap();
    let mut client = hub.subscribe("t.a").resume(start).open().unwrap();
    let all = ready(&mut client);
    assert_eq!(all.len(), 11);
    let through = Position::new(start.epoch(), 40);
    assert_eq!(all[0], Received::Gap(Some(start), through));
}

/// A copy of the file, made while the program runs, has the messages that are on the disk.
#[tokio::test]
async fn a_durability_says_when_a_message_is_in_the_file() {
    let hour = Duration::from_secs(3_600);
    for (durability, waits, is_there) in [
        (Durability::EachBatch, false, true),
        (Durability::Every(hour), false, false),
        (Durability::Every(Duration::from_millis(20)), true, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let hub = open(&log(folder.path()).durability(durability));
        let mut client = hub.subscribe("t.a").open().unwrap();
        hub.send("t.a", text("one")).await.unwrap();
        assert_eq!(ready(&mut client).len(), 1, "it is delivered");
        let copy = folder.path().join("copy.redb");
        let count = || {
            fs::copy(folder.path().join("hub.redb"), &copy).unwrap();
            // A file that is being written may be torn.
            let copied = DiskLog::new(&copy).open(builder()).ok()?;
            let messages = copied.topic_stats("t.a").map_or(0, |topic| topic.messages);
            drop(copied);
            until_closed(&copy);
            Some(messages)
        };
        // Nothing else is sent.
        let messages = loop {
            let messages = count();
            if !waits || messages == Some(1) {
                break messages;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(messages, Some(usize::from(is_there)), "{durability:?}");
    }
}

#[tokio::test]
async fn the_file_reuses_its_pages() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.redb");
    let hub = open(&log(folder.path()).max_bytes(200_000));
    let mut sizes = Vec::new();
    for _ in 0..8 {
        // Twice as much as the log keeps.
        let sent = (0..400).map(|_| hub.send("t.a", text("x".repeat(1_000))).into_future());
        join_all(sent).await.into_iter().for_each(|sent| _ = sent.unwrap());
        sizes.push(fs::metadata(&path).unwrap().len());
    }
    // The last rounds need no more pages than the first ones did, apart from those of changes that
    // are not settled yet. The store may give pages back at any time.
    let largest = sizes[..2].iter().max().unwrap();
    assert!(sizes.iter().all(|size| size <= &(2 * largest)), "{sizes:?}");
}

/// The streams of the identity end whether anything is written or not.
#[tokio::test]
async fn a_closed_hub_still_signs_an_identity_out() {
    let folder = tempfile::tempdir().unwrap();
    let hub = open(&log(folder.path()));
    let open = || hub.subscribe("a").identity("anna").open().unwrap();
    let before = hub.send("a", text("1")).await.unwrap();
    for is_closed in [false, true, true] {
        if is_closed {
            hub.close();
            // The file is free for another process, so the thread of the log has ended.
            until_closed(&folder.path().join("hub.redb"));
        }
        let anna = open();
        let receipt = hub.send_close_identity("anna").await.unwrap();
        assert_eq!(receipt.machines, 1);
        assert_eq!(receipt.position, before.position);
        assert_eq!(anna.end(), Some(SubscriptionEnd::IdentityClosed));
    }
    let error = hub.send("a", text("2")).await.unwrap_err();
    assert!(matches!(error, SendError::Refused(PublishError::Closed)), "{error}");
}

//! The pages of the guide about hubs state the defaults that the code has.

use std::{fs, path::Path, time::Duration};

use volga::http::sse::DEFAULT_RETRY;
use volga::limits::{
    DEFAULT_DISK_OPEN_TIMEOUT, DEFAULT_MAX_AGE, DEFAULT_MAX_CONNECTIONS, DEFAULT_MAX_DISK_AGE,
    DEFAULT_MAX_DISK_BYTES, DEFAULT_MAX_DISK_KEYS, DEFAULT_MAX_ENTRIES, DEFAULT_MAX_MESSAGES,
    DEFAULT_MAX_NODE_WAIT, DEFAULT_MAX_OPEN_STREAMS, DEFAULT_MAX_QUEUED,
    DEFAULT_MAX_SHARED_PRESENCE, DEFAULT_MAX_TOPICS, DEFAULT_MAX_UNSENT_BYTES,
    DEFAULT_REPLICA_WAIT, DEFAULT_WRITE_STALL_TIMEOUT, MAX_SILENCE,
};
use volga_sse::hub::RETRY_WINDOW;

/// A time as the pages write it.
fn time(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds % 3_600 == 0 => match seconds / 3_600 {
            1 => "1 hour".to_owned(),
            hours => format!("{hours} hours"),
        },
        1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}

/// A number as the pages write it: with a comma after the thousands.
fn number(number: usize) -> String {
    match (number / 1_000, number % 1_000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{},{rest:03}", self::number(thousands)),
    }
}

#[test]
fn the_pages_state_the_defaults_of_the_code() {
    for (page, sentences) in [
        (
            "several-nodes",
            vec![
                format!("`max_node_wait`, {}", time(DEFAULT_MAX_NODE_WAIT)),
                format!("The node notices within {}", time(MAX_SILENCE)),
                format!("`replica_wait` ({})", time(DEFAULT_REPLICA_WAIT)),
                format!("`max_entries` ({})", number(DEFAULT_MAX_ENTRIES)),
                format!("it covers {} minutes", DEFAULT_MAX_ENTRIES / 100 / 60),
            ],
        ),
        (
            "sizing",
            vec![
                format!("`with_max_connections` is {}", number(DEFAULT_MAX_CONNECTIONS)),
                format!("at most {} topics", number(DEFAULT_MAX_TOPICS)),
                format!("{} identities of other nodes", number(DEFAULT_MAX_SHARED_PRESENCE)),
                format!("The default log of {} entries", number(DEFAULT_MAX_ENTRIES)),
            ],
        ),
        (
            "surviving-a-restart",
            vec![
                format!("| `max_age` | {} |", time(DEFAULT_MAX_DISK_AGE)),
                format!("| `max_bytes` | {} MiB of messages |", DEFAULT_MAX_DISK_BYTES >> 20),
                format!("| `max_keys` | {} |", number(DEFAULT_MAX_DISK_KEYS as usize)),
                format!("| `max_queued` | {} calls |", number(DEFAULT_MAX_QUEUED)),
                format!("`open` waits {}", time(DEFAULT_DISK_OPEN_TIMEOUT)),
                format!("`max_age` of the hub, {} by default", time(DEFAULT_MAX_AGE)),
                format!("of the log, {} by default", time(DEFAULT_MAX_DISK_AGE)),
                format!("of the hub, which is {} by default", number(DEFAULT_MAX_MESSAGES)),
                format!("their `retry`, which is {} by default", time(DEFAULT_RETRY)),
                format!("in the file too, for {} minutes", RETRY_WINDOW.as_secs() / 60),
            ],
        ),
        (
            "slow-readers",
            vec![
                format!("`DEFAULT_WRITE_STALL_TIMEOUT`, {}", time(DEFAULT_WRITE_STALL_TIMEOUT)),
                format!("holds {} KiB of a stream", DEFAULT_MAX_UNSENT_BYTES >> 10),
            ],
        ),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src");
        let text = fs::read_to_string(path.join(format!("{page}.md"))).expect("a page");
        // The words of lines that are wrapped have one blank between them.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for sentence in sentences {
            assert!(text.contains(&sentence), "{page}.md does not say `{sentence}`");
        }
    }
    assert_eq!(
        DEFAULT_MAX_OPEN_STREAMS, DEFAULT_MAX_CONNECTIONS,
        "sizing.md says that they are the same"
    );
}

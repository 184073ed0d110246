//! Each limit, reached.

use std::time::Duration;

use volga_relay_redis::{MAX_RETRY_KEY, RedisHub};
use volga_sse::Message;
use volga_sse::hub::{Hub, SendError};

use crate::node::hub;
use crate::redis_server::{RedisServer, is_missing};

/// An address at which nobody listens.
const NOWHERE: &str = "redis://127.0.0.1:1";

fn not_sent(result: Result<volga_sse::hub::Receipt, SendError>) -> String {
    match result {
        Err(SendError::NotSent(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_message_waits_for_a_connection_for_a_limited_time() {
    let settings = RedisHub::new(NOWHERE).max_send_wait(Duration::ZERO);
    let hub = settings.build(Hub::builder()).expect("valid");
    let text = not_sent(hub.send("t", Message::new().data("x")).await);
    assert!(text.starts_with("no connection to Redis at 127.0.0.1:1: "), "{text}");
}

#[tokio::test]
async fn a_full_queue_refuses_messages() {
    let limits: [(RedisHub, &str); 2] = [
        (RedisHub::new(NOWHERE).max_pending(2), "2 messages wait for Redis"),
        (RedisHub::new(NOWHERE).max_pending_bytes(40), "bytes of messages wait for Redis"),
    ];
    for (settings, expect) in limits {
        let hub = settings.build(Hub::builder()).expect("valid");
        // With its topic and its version, each has 17 bytes.
        let message = || hub.send("t", Message::new().data("123456789"));
        let waiting: Vec<_> = (0..2).map(|_| message().into_future()).collect();
        let text = not_sent(message().await);
        assert!(text.contains(expect), "{text}");
        drop(waiting);
    }
}

#[tokio::test]
async fn a_long_retry_key_is_refused() {
    let hub = RedisHub::new(NOWHERE).build(Hub::builder()).expect("valid");
    let message = hub.send("t", Message::new()).retry_key("x".repeat(MAX_RETRY_KEY + 1));
    assert!(not_sent(message.await).contains("MAX_RETRY_KEY"));
}

#[tokio::test]
async fn the_log_keeps_about_so_many_messages() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&["--stream-node-max-entries", "10"]);
    let hub = RedisHub::new(server.url()).max_entries(50).build(hub()).expect("valid");
    let sends: Vec<_> = (0..300)
        .map(|number| hub.send("t", Message::new().data(number.to_string())).into_future())
        .collect();
    for sent in sends {
        sent.await.expect("a receipt");
    }
    let entries: u64 = server.command(&["XLEN", "{volga}:log"]);
    // Redis drops whole nodes of its tree, here of 10 entries.
    assert!((50..60).contains(&entries), "{entries}");
}

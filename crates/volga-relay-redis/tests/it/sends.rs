//! The result of a call of `send` says whether the message is in the log.

use std::time::Duration;

use volga_relay_redis::RedisHub;
use volga_sse::Message;
use volga_sse::hub::{Hub, SendError, SendMessage};

use crate::node::{hub, next_text, node, send, until, until_lost, until_ready};
use crate::proxy::{Link, Proxy};
use crate::redis_server::{PATIENCE, RedisServer, is_missing};

/// A message of each kind.
fn messages(hub: &Hub) -> [SendMessage; 4] {
    let message = |topic| hub.send(topic, Message::new().data("x"));
    [
        message("t"),
        message("t").retry_key("once"),
        message("k.a").key("key"),
        message("k.a").remove_key("key"),
    ]
}

fn entries(server: &RedisServer) -> u64 {
    server.command(&["XLEN", "{volga}:log"])
}

#[tokio::test]
async fn what_redis_refuses_is_not_sent_and_the_node_goes_on() {
    if is_missing() {
        return;
    }
    for (setting, expect) in [("maxmemory", "maxmemory"), ("min-replicas-to-write", "replicas")] {
        let server = RedisServer::start(&[]);
        let hub = node(&server);
        until_ready(&hub).await;
        let before = entries(&server);
        let _: String = server.command(&["CONFIG", "SET", setting, "1"]);
        let mut results = Vec::new();
        for message in messages(&hub) {
            results.push(message.await);
        }
        // And several messages at once.
        let together = messages(&hub).map(|message| tokio::spawn(message.into_future()));
        for sent in together {
            results.push(sent.await.expect("no panic"));
        }
        for result in results {
            let Err(SendError::NotSent(error)) = result else { panic!("{setting}: {result:?}") };
            assert!(error.to_string().contains(expect), "{error}");
        }
        assert_eq!(entries(&server), before);
        let _: String = server.command(&["CONFIG", "SET", setting, "0"]);
        send(&hub, "t", "x").await;
        assert_eq!(entries(&server), before + 1);
    }
}

#[tokio::test]
async fn a_message_whose_reply_is_lost_is_unknown() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let near = node(&server);
    until_ready(&near).await;
    let mut client = near.subscribe("t").open().expect("open");
    let proxy = Proxy::start(server.port).await;
    let far = RedisHub::new(proxy.url()).build(hub()).expect("valid");
    until_ready(&far).await;
    send(&far, "t", "first").await;
    proxy.set(Link::NoReplies);
    let sent = far.send("t", Message::new().data("published")).await;
    assert!(matches!(sent, Err(SendError::Unknown(_))), "{sent:?}");
    for expect in ["first", "published"] {
        assert_eq!(next_text(&mut client).await.0, expect);
    }
}

#[tokio::test]
async fn a_message_that_may_be_published_is_not_reported_as_not_sent() {
    if is_missing() {
        return;
    }
    // Redis runs the script of a message in the first two cases, and finds that it has the message.
    for (refuse, accept, is_found) in [
        (["CONFIG", "SET", "maxmemory", "1"], "0", true),
        (["CONFIG", "SET", "min-replicas-to-write", "1"], "0", true),
        (["ACL", "SETUSER", "default", "-evalsha"], "+evalsha", false),
    ] {
        let server = RedisServer::start(&[]);
        let proxy = Proxy::start(server.port).await;
        let settings = RedisHub::new(proxy.url()).max_send_wait(PATIENCE);
        let far = settings.build(hub()).expect("valid");
        until_ready(&far).await;
        send(&far, "t", "first").await;
        let before = entries(&server);
        proxy.set(Link::NoReplies);
        let message = far.send("t", Message::new().data("x")).retry_key("once");
        let sent = tokio::spawn(message.into_future());
        until("Redis has the message", || entries(&server) == before + 1).await;
        // The second attempt, on a new connection, meets another Redis.
        let _: String = server.command(&refuse);
        proxy.set(Link::Cut);
        until_lost(&far).await;
        proxy.set(Link::Open);
        match sent.await.expect("no panic") {
            Ok(_) => assert!(is_found, "{refuse:?}"),
            Err(SendError::Unknown(_)) => assert!(!is_found, "{refuse:?}"),
            Err(error) => panic!("{error:?}"),
        }
        // With the same retry key, the message is published once.
        let [command, what, name, _] = refuse;
        let _: String = server.command(&[command, what, name, accept]);
        let again = far.send("t", Message::new().data("x")).retry_key("once").await;
        assert!(again.is_ok(), "{again:?}");
        assert_eq!(entries(&server), before + 1);
    }
}

#[tokio::test]
async fn clients_that_return_to_a_node_send_redis_no_command() {
    if is_missing() {
        return;
    }
    const CLIENTS: u64 = 2_000;
    let server = RedisServer::start(&[]);
    let hub = node(&server);
    let seen = send(&hub, "t", "seen").await.position.to_string();
    let last = send(&hub, "t", "missed").await.position;
    until("the node has both", || hub.position() == last).await;
    let commands = || {
        let info: String = server.command(&["INFO", "stats"]);
        let lines = info.lines();
        let count = lines.filter_map(|line| line.strip_prefix("total_commands_processed:")).next();
        count.expect("a number").trim().parse::<u64>().expect("a number")
    };
    let before = commands();
    for _ in 0..CLIENTS {
        let mut client = hub.subscribe("t").resume(seen.as_str()).open().expect("open");
        assert_eq!(next_text(&mut client).await.0, "missed");
    }
    // The node reads the log meanwhile, a few times each second.
    let sent = commands() - before;
    assert!(sent < CLIENTS / 4, "{sent} commands");
}

#[tokio::test(start_paused = true)]
async fn a_silent_redis_is_noticed_within_max_silence() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let proxy = Proxy::start(server.port).await;
    tokio::time::resume();
    let hub = RedisHub::new(proxy.url()).build(hub()).expect("valid");
    until_ready(&hub).await;
    proxy.set(Link::BlackHole);
    // From here on the clock moves only while every task waits.
    tokio::time::pause();
    let since = tokio::time::Instant::now();
    let mut states = hub.watch_relay();
    while hub.is_ready() {
        states.changed().await.expect("the hub is open");
    }
    let silence = since.elapsed();
    assert!(silence <= volga_relay_redis::MAX_SILENCE, "{silence:?}");
    assert!(silence >= Duration::from_secs(1), "an idle connection is not a lost one");
}

//! Settings that are refused, and what the errors say.

use std::sync::{Arc, Mutex};

use volga_relay_redis::{RedisHub, RedisHubError};
use volga_sse::Message;
use volga_sse::hub::{Hub, RelayState, SendError};

use crate::node::{send, until, until_ready};
use crate::redis_server::{RedisServer, command, is_missing, try_command};

#[tokio::test]
async fn an_invalid_setting_is_refused_and_no_text_has_a_password() {
    for url in ["", "localhost:6379", "http://localhost", "redis://:secret@host:x"] {
        let error = RedisHub::new(url).build(Hub::builder()).expect_err("invalid");
        assert!(matches!(error, RedisHubError::Url { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
    let build = |settings: RedisHub| settings.build(Hub::builder()).expect_err("invalid");
    let local = || RedisHub::new("redis://localhost");
    assert!(matches!(build(local().other_server("x")), RedisHubError::Url { .. }));
    assert!(matches!(build(local().read_from("x")), RedisHubError::Url { .. }));
    #[cfg(not(feature = "tls"))]
    assert_eq!(build(RedisHub::new("rediss://localhost")), RedisHubError::Tls);
    for name in ["", "{a", "b}"] {
        assert!(matches!(build(local().name(name)), RedisHubError::Name { .. }));
    }
    let debug = format!("{:?}", RedisHub::new("redis://:secret@localhost"));
    assert!(!debug.contains("secret"), "{debug}");
}

#[test]
fn a_hub_needs_a_runtime() {
    let error = RedisHub::new("redis://localhost").build(Hub::builder()).expect_err("no runtime");
    assert_eq!(error, RedisHubError::NoRuntime);
    assert!(error.to_string().contains("#[tokio::main]"));
}

#[test]
fn a_hub_whose_runtime_has_ended_says_so() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = || runtime().expect("a runtime");
    let first = runtime();
    let settings = RedisHub::new("redis://127.0.0.1:1");
    let hub = first.block_on(async { settings.build(Hub::builder()).expect("valid") });
    drop(first);
    assert_eq!(hub.relay_state(), RelayState::Lost);
    let sent = runtime().block_on(hub.send("t", Message::new().data("x")).into_future());
    let Err(SendError::NotSent(error)) = sent else { panic!("{sent:?}") };
    assert!(error.to_string().contains("runtime that called `RedisHub::build` has ended"));
}

#[tokio::test]
async fn errors_of_connections_are_reported_with_the_server() {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&errors);
    let settings = RedisHub::new("redis://:secret@127.0.0.1:1").on_connection_error(move |error| {
        assert_eq!(error.server(), "127.0.0.1:1");
        log.lock().expect("no panic").push(error.to_string());
    });
    let hub = settings.build(Hub::builder()).expect("valid");
    until("several errors", || errors.lock().expect("no panic").len() > 2).await;
    assert!(!hub.is_ready());
    for text in errors.lock().expect("no panic").iter() {
        assert!(text.starts_with("no connection to Redis at 127.0.0.1:1: "), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn a_url_has_the_name_and_the_password() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let mut connection = server.connection();
    let user = ["ACL", "SETUSER", "node", "on", ">secret", "~*", "&*", "+@all"];
    let _: String = command(&mut connection, &user);
    let _: String = command(&mut connection, &["CONFIG", "SET", "requirepass", "other"]);
    let url = |start: &str| format!("redis://{start}127.0.0.1:{}", server.port);
    for start in ["node:secret@", ":other@"] {
        let hub = RedisHub::new(url(start)).build(Hub::builder()).expect("valid");
        until_ready(&hub).await;
        send(&hub, "t", "x").await;
    }
    for start in ["", "node:other@", ":secret@"] {
        let errors = Arc::new(Mutex::new(0));
        let count = Arc::clone(&errors);
        let settings = RedisHub::new(url(start))
            .on_connection_error(move |_| *count.lock().expect("no panic") += 1);
        let hub = settings.build(Hub::builder()).expect("valid");
        until("two attempts failed", || *errors.lock().expect("no panic") > 1).await;
        assert!(!hub.is_ready());
    }
}

#[tokio::test]
async fn an_old_redis_is_refused() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start(&[]);
    let script = include_str!("../../src/scripts/enter.lua");
    let asks = "redis.call('INFO', 'server')";
    assert!(script.contains(asks));
    let mut connection = server.connection();
    for (version, is_refused) in [("6.2.14", true), ("5.0.0", true), ("7.0.0", false)] {
        let says = format!("'redis_version:{version}\\r\\nrun_id:a\\r\\n'");
        let script = script.replace(asks, &says);
        let call = ["EVAL", &script, "3", "log", "run", "epochs", "0", "0"];
        match try_command(&mut connection, &call) {
            Ok(_) => assert!(!is_refused, "{version}"),
            Err(error) => {
                assert!(is_refused, "{error}");
                assert!(error.to_string().contains("Redis 7 or later is needed"), "{error}");
            }
        }
    }
}

//! The messages that Redis has after `kill -9`, for each setting of its files.

use crate::node::{node, send, until, until_lost, until_ready};
use crate::redis_server::{RedisServer, is_missing};

#[tokio::test]
async fn a_killed_redis_has_what_its_settings_keep() {
    if is_missing() {
        return;
    }
    const EVERY_HOUR: &[&str] = &["--save", "3600 1"];
    const EVERY_SECOND: &[&str] = &["--appendonly", "yes", "--appendfsync", "everysec"];
    const ALWAYS: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];
    // The messages that are left of the two before a snapshot and the three after it.
    for (options, saves, left) in
        [(&[][..], false, 0), (EVERY_HOUR, true, 2), (EVERY_SECOND, false, 5), (ALWAYS, false, 5)]
    {
        let mut server = RedisServer::start(options);
        let hub = node(&server);
        until_ready(&hub).await;
        for _ in 0..2 {
            send(&hub, "t", "before").await;
        }
        if saves {
            let _: String = server.command(&["SAVE"]);
        }
        for _ in 0..3 {
            send(&hub, "t", "after").await;
        }
        if options == EVERY_SECOND {
            // Redis postpones a write while the disk is busy with the one before.
            until("Redis has written everything to the system", || {
                let info: String = server.command(&["INFO", "persistence"]);
                ["aof_pending_bio_fsync:0\r", "aof_buffer_length:0\r"]
                    .iter()
                    .all(|idle| info.contains(idle))
            })
            .await;
        }
        server.kill();
        until_lost(&hub).await;
        server.start_again();
        let log: Vec<(String, Vec<String>)> = server.command(&["XRANGE", "{volga}:log", "-", "+"]);
        // The first field of a message is its topic. The start of an epoch has another one.
        let count = log.iter().filter(|(_, fields)| fields[0] == "t").count();
        assert_eq!(count, left, "{options:?}: {log:?}");
    }
}

//! A node that has lost its engine.

use std::time::Duration;

use http_body_util::BodyExt;
use volga_sse::{Heartbeat, Sse, hub::RelayState};

use super::support::{Node, builder, node_of};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn streams_end_with_a_farewell_when_the_engine_is_lost_for_long() {
    for (max, lost_for, ends) in
        [(Some(30), 29, false), (Some(30), 45, true), (Some(0), 15, true), (None, 1_000, false)]
    {
        let builder = match max {
            Some(max) => builder().max_lost_time(max * SECOND),
            None => builder(),
        };
        let Node { hub, mut feed, .. } = node_of(builder, 0);
        let subscription = hub.subscribe("t.a").open().unwrap();
        let body = Sse::new(subscription).heartbeat(Heartbeat::every(10 * SECOND));
        let stream = tokio::spawn(body.into_response().into_body().collect());
        tokio::time::sleep(100 * SECOND).await;
        assert!(!stream.is_finished(), "the engine is there");
        feed.set_state(RelayState::Lost);
        feed.set_state(RelayState::Lost);
        tokio::time::sleep(lost_for * SECOND).await;
        // The time counts from the last loss.
        if !ends {
            feed.set_state(RelayState::Live);
            tokio::time::sleep(100 * SECOND).await;
        }
        assert_eq!(stream.is_finished(), ends, "{max:?} {lost_for}");
        if ends {
            let sent = stream.await.unwrap().unwrap().to_bytes();
            let sent = String::from_utf8_lossy(&sent).into_owned();
            let last = sent.trim_end().lines().last().unwrap_or_default();
            assert!(last.starts_with("retry: "), "a farewell: {sent}");
        } else {
            stream.abort();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_was_dropped_has_lost_the_engine() {
    let Node { hub, feed, .. } = node_of(builder().max_lost_time(SECOND), 0);
    let subscription = hub.subscribe("t.a").open().unwrap();
    assert!(!feed.is_abandoned());
    drop(feed);
    assert!(!hub.is_ready());
    let body = Sse::new(subscription).into_response().into_body();
    let sent = body.collect().await.unwrap().to_bytes();
    let sent = String::from_utf8_lossy(&sent).into_owned();
    assert!(sent.trim_end().lines().last().unwrap().starts_with("retry: "), "{sent}");
}

#[test]
fn a_feed_knows_when_nobody_uses_the_hub() {
    let Node { hub, feed, .. } = node_of(builder(), 0);
    let subscription = hub.subscribe("t.a").open().unwrap();
    drop(hub);
    assert!(!feed.is_abandoned());
    drop(subscription);
    assert!(feed.is_abandoned());
}

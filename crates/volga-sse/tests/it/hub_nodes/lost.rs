//! A node that has lost its engine.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream::select_all};
use http_body_util::{BodyExt, Collected};
use tokio::task::JoinHandle;
use volga_sse::{
    BoxError, Heartbeat, Sse, SseSource,
    hub::{Delivery, Hub, RelayState, Subscription},
};

use super::support::{Node, builder, node_of};

const SECOND: Duration = Duration::from_secs(1);

type Sent = JoinHandle<Result<Collected<Bytes>, BoxError>>;

fn send<S: SseSource + Send + 'static>(sse: Sse<S>) -> Sent {
    let sse = sse.heartbeat(Heartbeat::every(10 * SECOND));
    tokio::spawn(sse.into_response().into_body().collect())
}

/// A subscription, and streams of one's own that read subscriptions.
const SOURCES: [fn(&Hub) -> Sent; 3] = [
    |hub| send(Sse::new(hub.subscribe("t.a").open().expect("open"))),
    |hub| {
        let subscription = hub.subscribe("t.a").open().expect("open");
        let watch = subscription.watch_end();
        send(Sse::new(subscription.deliveries().map(Delivery::encode)).end_with(watch))
    },
    // This one polls only those that were woken.
    |hub| {
        let all = ["t.a", "t.b"].map(|topic| hub.subscribe(topic).open().expect("open"));
        let [first, second] = all.each_ref().map(Subscription::watch_end);
        let stream = select_all(all.map(Subscription::deliveries));
        send(Sse::new(stream).end_with(first).end_with(second))
    },
];

#[tokio::test(start_paused = true)]
async fn streams_end_with_a_farewell_when_the_engine_is_lost_for_long() {
    let cases =
        [(Some(30), 29, false), (Some(30), 45, true), (Some(0), 15, true), (None, 1_000, false)];
    for ((max, lost_for, ends), source) in
        cases.into_iter().flat_map(|case| SOURCES.map(|source| (case, source)))
    {
        let builder = match max {
            Some(max) => builder().max_lost_time(max * SECOND),
            None => builder(),
        };
        let Node { hub, mut feed, .. } = node_of(builder, 0);
        let stream = source(&hub);
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

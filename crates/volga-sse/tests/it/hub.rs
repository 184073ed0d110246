//! What a hub guarantees, one claim per test. `hub_model` checks all claims together with random
//! steps.

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Waker},
    time::Duration,
};

use super::hub_support::{Wakes, is_id_only, publish, ready, text};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use tokio::time::advance;
use volga_sse::{
    LastEventId, Position, Sse,
    hub::{
        Delivery, Hub, Policy, PublishError, SubscribeError, Subscription, SubscriptionEnd,
        TopicError,
    },
};

#[test]
fn a_client_that_loses_its_connection_before_its_first_message_has_an_id() {
    let hub = Hub::new();
    publish(&hub, "a", &["before"]);
    for topics in [&["a"][..], &["a", "b"], &["*"]] {
        let mut subscription = hub.subscribe(topics).open().unwrap();
        let Some(Some(Delivery::Message(first))) = subscription.next().now_or_never() else {
            panic!("it has no ID");
        };
        assert!(is_id_only(&first));
        assert_eq!(first.position(), Some(hub.position()));
        assert!(subscription.next().now_or_never().is_none());
        drop(subscription);
        publish(&hub, "a", &["missed"]);
        let mut subscription = hub.subscribe(topics).resume(first.position()).open().unwrap();
        assert_eq!(ready(&mut subscription), ["missed"]);
        assert!(subscription.next().now_or_never().is_none(), "it is not new");
    }
    // If the client begins with a message, that message has the ID.
    let mut subscription = hub.subscribe("a").history(1).open().unwrap();
    let Some(Some(Delivery::Message(first))) = subscription.next().now_or_never() else { panic!() };
    assert!(!is_id_only(&first));
    assert!(subscription.next().now_or_never().is_none());
}

#[test]
fn a_new_client_gets_no_id_alone_if_it_is_not_wanted() {
    let hub = Hub::builder().keyed("k", 9).unwrap().build();
    publish(&hub, "a", &["before"]);
    for topics in [&["a"][..], &["a", "k"], &["*"]] {
        let mut subscription = hub.subscribe(topics).without_first_id().open().unwrap();
        assert!(subscription.next().now_or_never().is_none());
        publish(&hub, "a", &["next"]);
        let Some(Some(Delivery::Message(next))) = subscription.next().now_or_never() else {
            panic!("a message");
        };
        assert!(!is_id_only(&next));
    }
}

#[test]
fn a_subscriber_gets_what_is_published_after_it_subscribed() {
    let hub = Hub::new();
    publish(&hub, "a", &["before"]);
    let mut subscription = hub.subscribe("a").open().unwrap();
    assert_eq!(ready(&mut subscription), [""; 0]);
    publish(&hub, "a", &["1", "2"]);
    publish(&hub, "b", &["other"]);
    assert_eq!(ready(&mut subscription), ["1", "2"]);
    publish(&hub, "a", &["3"]);
    assert_eq!(ready(&mut subscription), ["3"]);
    assert_eq!(subscription.position().number(), 5);
}

#[test]
fn several_topics_arrive_in_one_order_and_each_message_once() {
    let hub = Hub::new();
    publish(&hub, "a.1", &["before"]);
    let mut subscription = hub.subscribe(["a.*", "a.1", ">", "b"]).open().unwrap();
    for n in 0..300 {
        hub.publish(["a.1", "b", "a.2", "c"][n * 7 % 4], text(n.to_string())).unwrap();
    }
    let expect: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    assert_eq!(ready(&mut subscription), expect);
}

#[test]
fn a_topic_that_a_pattern_matches_later_is_read_from_its_first_message() {
    let hub = Hub::new();
    let mut subscription = hub.subscribe("orders.*").open().unwrap();
    publish(&hub, "orders.1", &["1"]);
    publish(&hub, "other.1", &["x"]);
    publish(&hub, "orders.2", &["2"]);
    assert_eq!(ready(&mut subscription), ["1", "2"]);
}

#[test]
fn a_client_resumes_after_its_last_event_id() {
    let hub = Hub::new();
    let last = publish(&hub, "a", &["1", "2"]);
    publish(&hub, "b", &["3"]);
    publish(&hub, "a", &["4"]);
    let mut subscription = hub.subscribe(["a", "b"]).resume(last).open().unwrap();
    assert_eq!(ready(&mut subscription), ["3", "4"]);
    let id = last.to_string();
    for mut subscription in [
        hub.subscribe("a").resume(id.as_str()).open().unwrap(),
        hub.subscribe("a").resume(Some(&id)).open().unwrap(),
    ] {
        assert_eq!(ready(&mut subscription), ["4"]);
    }
    for mut subscription in [
        hub.subscribe("a").resume("").open().unwrap(),
        hub.subscribe("a").resume(None::<LastEventId>).open().unwrap(),
    ] {
        assert_eq!(ready(&mut subscription), [""; 0]);
    }
}

#[test]
fn an_unknown_id_gives_a_gap_without_a_start_and_then_what_a_new_client_gets() {
    let hub = Hub::builder().max_messages(2).build();
    publish(&hub, "a", &["1", "2", "3"]);
    let next = Position::new(hub.position().epoch(), 4).to_string();
    for id in ["nonsense", "0-1", next.as_str()] {
        let mut subscription = hub.subscribe("a").resume(id).open().unwrap();
        assert_eq!(ready(&mut subscription), ["?..3."], "{id}");
        let mut subscription = hub.subscribe("a").resume(id).history(1).open().unwrap();
        assert_eq!(ready(&mut subscription), ["?..2.", "3"], "{id}");
        let mut subscription = hub.subscribe("a").resume(id).history(9).open().unwrap();
        assert_eq!(ready(&mut subscription), ["?..1.", "2", "3"], "{id}");
    }
    let mut subscription = hub.subscribe("new").resume("nonsense").open().unwrap();
    assert_eq!(ready(&mut subscription), ["?..3."]);
}

#[test]
fn nothing_before_the_oldest_position_is_seen_whatever_the_client_asks_for() {
    let hub = Hub::new();
    publish(&hub, "a", &["1", "2", "3", "4"]);
    let at = |number| Position::new(hub.position().epoch(), number);
    let open = |id: &str, oldest| hub.subscribe("a").history(9).resume(id).oldest(oldest).open();
    for (id, oldest, expect) in [
        (String::new(), at(3), &["3", "4"][..]),
        (String::new(), at(5), &[]),
        (at(1).to_string(), at(3), &["1..2.", "3", "4"]),
        (at(2).to_string(), at(3), &["3", "4"]),
        (at(3).to_string(), at(3), &["4"]),
        (at(0).to_string(), at(0), &["1", "2", "3", "4"]),
        ("nonsense".to_owned(), at(3), &["?..2.", "3", "4"]),
        // A position that the hub has not given shows nothing that is held.
        (at(1).to_string(), Position::new(7, 1), &["1..4."]),
        (at(1).to_string(), at(9), &["1..4."]),
        (at(4).to_string(), at(9), &[]),
    ] {
        let mut subscription = open(&id, oldest).unwrap();
        assert_eq!(ready(&mut subscription), expect, "{id} from {oldest}");
    }
}

#[test]
fn two_hubs_never_share_an_epoch() {
    assert_ne!(Hub::new().position().epoch(), Hub::new().position().epoch());
}

#[test]
fn a_subscriber_that_falls_behind_the_log_is_told_what_is_missing() {
    let hub = Hub::builder().max_messages(2).build();
    let mut subscription = hub.subscribe("a").open().unwrap();
    publish(&hub, "a", &["1", "2", "3", "4"]);
    assert_eq!(ready(&mut subscription), ["0..2.", "3", "4"]);
    publish(&hub, "a", &["5"]);
    assert_eq!(ready(&mut subscription), ["5"]);
}

#[test]
fn a_gap_has_an_id_only_if_nothing_before_its_end_is_still_to_come() {
    let hub = Hub::builder().max_messages(2).build();
    let mut subscription = hub.subscribe(["a", "b"]).open().unwrap();
    publish(&hub, "b", &["held"]);
    publish(&hub, "a", &["2", "3", "4"]);
    assert_eq!(ready(&mut subscription), ["0..2", "held", "3", "4"]);
}

#[test]
fn resuming_before_the_oldest_message_is_a_gap() {
    let hub = Hub::builder().max_messages(2).build();
    let first = publish(&hub, "a", &["1"]);
    publish(&hub, "a", &["2", "3", "4"]);
    let mut subscription = hub.subscribe("a").resume(first).open().unwrap();
    assert_eq!(ready(&mut subscription), ["1..2.", "3", "4"]);
}

#[test]
fn a_new_client_may_begin_with_the_last_messages_of_all_topics() {
    let hub = Hub::new();
    publish(&hub, "a", &["1", "2"]);
    publish(&hub, "b", &["3"]);
    publish(&hub, "a", &["4"]);
    let mut subscription = hub.subscribe(["a", "b"]).history(3).open().unwrap();
    publish(&hub, "b", &["5"]);
    assert_eq!(ready(&mut subscription), ["2", "3", "4", "5"]);
    let mut all = hub.subscribe(">").history(100).open().unwrap();
    assert_eq!(ready(&mut all), ["1", "2", "3", "4", "5"]);
    // A client that resumes gets no history.
    let mut resumed = hub.subscribe(">").history(100).resume(hub.position()).open().unwrap();
    assert_eq!(ready(&mut resumed), [""; 0]);
}

/// The log of one topic reaches back less far than that of another.
#[test]
fn a_history_with_a_hole_begins_with_a_gap() {
    for (log, history) in (1..6).flat_map(|log| (1..12).map(move |history| (log, history))) {
        let hub = Hub::builder().max_messages(log).build();
        publish(&hub, "a", &["1"]);
        publish(&hub, "b", &["2", "3", "4", "5", "6", "7", "8"]);
        let mut new = hub.subscribe(["a", "b"]).history(history).open().unwrap();
        let deliveries = ready(&mut new);
        // The logs hold the first message and the last ones.
        let held: Vec<u64> = [1].into_iter().chain(9 - log as u64..=8).collect();
        let shown = &held[held.len().saturating_sub(history)..];
        let has_hole = shown[0] == 1 && shown.len() > 1 && held[1] > 2;
        let messages = deliveries.iter().filter(|one| !one.contains(".."));
        let numbers: Vec<u64> = messages.map(|one| one.parse().unwrap()).collect();
        assert_eq!(numbers, shown, "{log} {history}");
        let expect = has_hole.then(|| format!("..{}", held[1] - 1));
        let gap = deliveries.first().filter(|one| one.contains(".."));
        assert_eq!(gap.is_some(), has_hole, "{log} {history} {deliveries:?}");
        if let (Some(gap), Some(expect)) = (gap, expect) {
            assert!(gap.trim_end_matches('.').ends_with(&expect), "{gap} {expect}");
        }
        assert_eq!(deliveries.len(), shown.len() + usize::from(has_hole));
    }
}

#[tokio::test(start_paused = true)]
async fn old_messages_are_dropped_on_publish_on_subscribe_and_gradually_elsewhere() {
    let hub = Hub::builder().max_age(Duration::from_secs(10)).build();
    let first = publish(&hub, "a", &["1"]);
    advance(Duration::from_secs(11)).await;
    let mut subscription = hub.subscribe("a").resume(first).open().unwrap();
    assert_eq!(ready(&mut subscription), [""; 0]);
    let mut subscription = hub.subscribe("a").history(5).open().unwrap();
    assert_eq!(ready(&mut subscription), [""; 0]);
    publish(&hub, "a", &["2"]);
    let mut slow = hub.subscribe("a").resume(first).open().unwrap();
    advance(Duration::from_secs(11)).await;
    // Somebody publishes to another topic only.
    for _ in 0..3 {
        publish(&hub, "b", &["x"]);
        advance(Duration::from_secs(5)).await;
    }
    assert_eq!(ready(&mut slow), ["1..2."]);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_expired_and_was_created_again_hides_no_gap() {
    for forgotten in [0, 10] {
        let hub = Hub::builder()
            .max_age(Duration::from_secs(10))
            .max_remembered_topics(forgotten)
            .build();
        let first = publish(&hub, "a", &["1"]);
        publish(&hub, "a", &["2"]);
        advance(Duration::from_secs(5)).await;
        publish(&hub, "kept", &["3"]);
        let subscriber = hub.subscribe("kept").open().unwrap();
        advance(Duration::from_secs(6)).await;
        publish(&hub, "b", &["4"]);
        assert_eq!(hub.topics(), ["b".into(), "kept".into()]);

        let mut by_pattern = hub.subscribe("a.>").resume(first).open().unwrap();
        let expect: &[&str] = if forgotten == 0 { &["1..2."] } else { &[] };
        assert_eq!(ready(&mut by_pattern), expect);
        let mut by_pattern = hub.subscribe("*").resume(first).open().unwrap();
        assert_eq!(ready(&mut by_pattern), ["1..2.", "3", "4"]);
        drop(subscriber);
        drop((by_pattern,));

        advance(Duration::from_secs(22)).await;
        let mut again = hub.subscribe("a").resume(first).open().unwrap();
        assert_eq!(ready(&mut again)[0], if forgotten == 0 { "1..4." } else { "1..2." });
    }
}

#[test]
fn close_ends_a_slow_subscriber_while_it_can_still_resume_without_a_gap() {
    let hub = Hub::builder().max_messages(8).policy(Policy::close()).build();
    let mut slow = hub.subscribe("a").open().unwrap();
    assert_eq!(ready(&mut slow), [""; 0]);
    publish(&hub, "a", &["1", "2", "3"]);
    assert_eq!(ready(&mut slow), ["1", "2", "3"]);
    publish(&hub, "a", &["4", "5", "6", "7"]);
    let left_off = slow.position();
    assert_eq!(ready(&mut slow), ["end"]);
    assert_eq!(slow.end(), Some(SubscriptionEnd::TooSlow));
    // The client returns far behind. It is not closed again before it has caught up once.
    let mut again = hub.subscribe("a").resume(left_off).open().unwrap();
    assert_eq!(ready(&mut again), ["4", "5", "6", "7"]);
    publish(&hub, "a", &["8", "9", "10", "11"]);
    assert_eq!(ready(&mut again), ["end"]);
}

#[test]
fn a_closed_hub_delivers_what_was_published_before() {
    let hub = Hub::new();
    let mut one = hub.subscribe("a").open().unwrap();
    let mut pattern = hub.subscribe("*").open().unwrap();
    publish(&hub, "a", &["1"]);
    hub.close();
    for subscription in [&mut one, &mut pattern] {
        assert_eq!(ready(subscription), ["1", "end"]);
        assert_eq!(ready(subscription), ["end"]);
        assert_eq!(subscription.end(), Some(SubscriptionEnd::HubClosed));
    }
    assert!(matches!(hub.publish("a", text("2")), Err(PublishError::Closed)));
}

#[tokio::test]
async fn a_sleeping_subscriber_is_woken_by_a_message_by_a_close_and_for_its_identity() {
    let hub = Hub::new();
    let mut one = hub.subscribe("a").identity("user-7").open().unwrap();
    let mut pattern = hub.subscribe("*").open().unwrap();
    let one = tokio::spawn(async move {
        // A message that has only an ID, and then the published one.
        assert!(one.next().await.is_some() && one.next().await.is_some());
        assert!(one.next().await.is_none());
        one.end()
    });
    let pattern = tokio::spawn(async move {
        assert!(pattern.next().await.is_some() && pattern.next().await.is_some());
        assert!(pattern.next().await.is_none());
        pattern.end()
    });
    tokio::task::yield_now().await;
    publish(&hub, "a", &["1"]);
    tokio::task::yield_now().await;
    assert_eq!(hub.close_identity("user-8"), 0);
    assert_eq!(hub.close_identity("user-7"), 1);
    assert_eq!(one.await.unwrap(), Some(SubscriptionEnd::IdentityClosed));
    hub.close();
    assert_eq!(pattern.await.unwrap(), Some(SubscriptionEnd::HubClosed));
    assert_eq!(hub.close_identity("user-7"), 0);
}

#[test]
fn an_identity_that_is_closed_gets_nothing_more() {
    let hub = Hub::new();
    let mut subscription = hub.subscribe("a").identity("user-7").open().unwrap();
    publish(&hub, "a", &["1", "2", "3"]);
    assert!(matches!(subscription.next().now_or_never(), Some(Some(Delivery::Message(_)))));
    hub.close_identity("user-7");
    assert_eq!(ready(&mut subscription), ["end"]);
}

#[test]
fn invalid_calls_fail_and_change_nothing() {
    let hub = Hub::builder()
        .max_message_bytes(60)
        .max_topic_name(8)
        .max_key(2)
        .max_topics_per_subscription(2)
        .keyed("k", 1)
        .unwrap()
        .build();
    let start = hub.position();
    let topic = |result| match result {
        Err(PublishError::Topic(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(topic(hub.publish("a.*", text(""))), TopicError::Wildcard { at: 2 });
    assert_eq!(topic(hub.publish("123456789", text(""))), TopicError::TooLong { max: 8 });
    assert!(matches!(hub.publish("a", text("").event("\n")), Err(PublishError::Message(_))));
    let room = 60 - format!("data: \nid: {start}\n\n").len();
    let long = hub.publish("a", text("x".repeat(room + 1)));
    assert!(matches!(long, Err(PublishError::MessageTooLong { bytes: 61, max: 60 })), "{long:?}");
    let many = hub.publish_many("a", [text("1"), text("2").event("")]);
    assert!(matches!(many, Err(PublishError::Message(_))));
    assert!(matches!(hub.publish_many("a", []), Ok(None)));
    let key = hub.publish_keyed("k", "abc", text(""));
    assert!(matches!(key, Err(PublishError::KeyTooLong { max: 2 })));
    assert_eq!(hub.position(), start);
    hub.publish("a", text("x".repeat(room))).unwrap();

    let error = |topics: &[&str]| hub.subscribe(topics).open().unwrap_err();
    assert_eq!(error(&[]), SubscribeError::NoTopics);
    assert_eq!(error(&["a", "b", "c"]), SubscribeError::TooManyFilters { max: 2 });
    assert_eq!(error(&["a."]), SubscribeError::Topic(TopicError::EmptySegment { at: 2 }));
}

#[test]
fn the_position_replaces_an_id_and_many_are_numbered_one_after_another() {
    let hub = Hub::new();
    let mut subscription = hub.subscribe("a").open().unwrap();
    let last = hub.publish_many("a", ["1", "2", "3"].map(|data| text(data).id("mine"))).unwrap();
    assert_eq!(last.unwrap().number(), 3);
    assert_eq!(ready(&mut subscription), ["1", "2", "3"]);
}

#[tokio::test]
async fn a_response_body_takes_a_subscription_as_it_is() {
    let hub = Hub::builder().max_messages(1).build();
    let subscription = hub.subscribe("a").open().unwrap();
    let epoch = hub.position().epoch();
    publish(&hub, "a", &["1", "2"]);
    hub.close();
    let body = Sse::new(subscription).without_retry().into_response().into_body();
    let sent = body.collect().await.unwrap().to_bytes();
    let expect = format!(
        "event: gap\ndata: {{\"after\":\"{epoch:x}-0\",\"through\":\"{epoch:x}-1\"}}\nid: {epoch:x}-1\n\n\
         data: 2\nid: {epoch:x}-2\n\n"
    );
    let sent = String::from_utf8(sent.to_vec()).unwrap();
    // The farewell of a hub that closes comes last.
    assert!(sent.strip_prefix(&expect).is_some_and(|rest| rest.starts_with("retry: ")), "{sent}");
}

#[test]
fn a_dropped_subscription_ends_at_once() {
    let hub = Hub::new();
    let name = hub.subscribe("a").open().unwrap();
    let pattern = hub.subscribe(">").identity("user-7").open().unwrap();
    let subscribers = || (hub.stats().subscribers, hub.topic_stats("a").unwrap().subscribers);
    assert_eq!(subscribers(), (2, 2));
    drop(name);
    assert_eq!(subscribers(), (1, 1));
    drop(pattern);
    assert_eq!((hub.stats().subscribers, hub.topic_stats("a")), (0, None));
    assert_eq!(hub.close_identity("user-7"), 0);
    publish(&hub, "new", &["x"]);
    assert_eq!(hub.topic_stats("new").unwrap().subscribers, 0);
}

/// A waker that counts how often it was woken.
#[test]
fn a_publish_wakes_each_sleeping_subscriber_of_its_topic_once_and_nobody_else() {
    let hub = Hub::new();
    for topics in [&["a"][..], &["a", "c"], &["a.>", "a"]] {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let poll = |subscription: &mut Subscription| {
            pin!(subscription.next()).poll(&mut Context::from_waker(&waker)).is_ready()
        };
        let mut subscription = hub.subscribe(topics).open().unwrap();
        while poll(&mut subscription) {}
        publish(&hub, "b", &["1"]);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
        ["2", "3", "4"].iter().for_each(|data| _ = publish(&hub, "a", &[data]));
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        // The task is awake and has not read the message yet.
        assert!(poll(&mut subscription));
        publish(&hub, "a", &["5"]);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        while poll(&mut subscription) {}
        publish(&hub, "a", &["6"]);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
    }
}

#[test]
fn several_messages_at_once_wake_each_subscriber_once() {
    let hub = Hub::new();
    for topics in [&["a"][..], &["a", "c"], &["*"]] {
        // All of them share the waker, so it counts the wake-ups of all.
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let poll = |subscription: &mut Subscription| {
            pin!(subscription.next()).poll(&mut Context::from_waker(&waker)).is_ready()
        };
        let mut all: Vec<_> = (0..10).map(|_| hub.subscribe(topics).open().unwrap()).collect();
        all.iter_mut().for_each(|subscription| while poll(subscription) {});
        hub.publish_many("a", ["1", "2", "3"].map(text)).unwrap();
        assert_eq!(wakes.0.load(Ordering::Relaxed), 10, "{topics:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pace_delivers_the_first_at_once_and_the_rest_of_a_burst_together() {
    let window = Duration::from_millis(50);
    let hub = Hub::new();
    let mut paced = hub.subscribe("a").pace(window).open().unwrap();
    publish(&hub, "a", &["1"]);
    assert_eq!(ready(&mut paced), ["1"]);
    publish(&hub, "a", &["2", "3"]);
    assert_eq!(ready(&mut paced), [""; 0]);
    advance(window - Duration::from_millis(1)).await;
    publish(&hub, "a", &["4"]);
    assert_eq!(ready(&mut paced), [""; 0]);
    advance(Duration::from_millis(2)).await;
    assert_eq!(ready(&mut paced), ["2", "3", "4"]);
    // After a pause, the first message is delivered at once again.
    advance(2 * window).await;
    assert_eq!(ready(&mut paced), [""; 0]);
    publish(&hub, "a", &["5"]);
    assert_eq!(ready(&mut paced), ["5"]);
    // When the hub closes, the pace makes nobody wait.
    publish(&hub, "a", &["6"]);
    hub.close();
    assert_eq!(ready(&mut paced), ["6", "end"]);
}

#[tokio::test(start_paused = true)]
async fn a_pace_bounds_how_often_messages_come_and_how_late() {
    const SECONDS: u64 = 20;
    let mut random = 1_u64;
    for pace in [20, 100, 250] {
        for gap in [1, 7, 60, 400] {
            let hub = Hub::builder().max_messages(100_000).build();
            let window = Duration::from_millis(pace);
            let mut paced = hub.subscribe("a").pace(window).without_first_id().open().unwrap();
            let (mut waiting, mut batches) = (Vec::new(), 0);
            for now in 0..SECONDS * 1_000 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                if (random >> 33).is_multiple_of(gap) {
                    publish(&hub, "a", &["x"]);
                    waiting.push(now);
                }
                let count = ready(&mut paced).len();
                assert!(count == 0 || count == waiting.len(), "all of them together");
                if count > 0 {
                    batches += 1;
                    waiting.clear();
                }
                // The timer of tokio may fire a millisecond later.
                assert!(waiting.iter().all(|at| now - at <= pace + 1), "{waiting:?} at {now}");
                advance(Duration::from_millis(1)).await;
            }
            assert!(batches <= SECONDS * 1_000 / pace + 1, "{batches} in {SECONDS} seconds");
            assert!(batches > 10);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_paced_subscriber_that_sleeps_is_woken_by_the_end_of_its_window() {
    let hub = Hub::builder().pace(Duration::from_millis(50)).build();
    let mut forever = hub.subscribe("a").pace(Duration::MAX).open().unwrap();
    let mut paced = hub.subscribe("a").open().unwrap();
    publish(&hub, "a", &["1"]);
    assert_eq!(ready(&mut paced), ["1"]);
    assert_eq!(ready(&mut forever), ["1"]);
    let reading = tokio::spawn(async move { paced.next().await });
    tokio::task::yield_now().await;
    publish(&hub, "a", &["2"]);
    assert!(matches!(reading.await, Ok(Some(Delivery::Message(_)))));
}

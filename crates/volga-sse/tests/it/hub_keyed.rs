//! Keyed topics: what new clients, slow clients and pages see.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::advance;
use volga_sse::hub::{Delivery, Hub, Policy, PublishError, SubscribeError};

use super::hub_support::{publish, ready, text};

#[test]
fn a_keyed_topic_gives_new_clients_the_newest_of_each_key_and_then_new_messages() {
    let hub = Hub::builder().keyed("ticker.*", 3).unwrap().build();
    for (key, price) in [("a", "a1"), ("b", "b2"), ("a", "a3"), ("c", "c4")] {
        hub.publish_keyed("ticker.x", key, text(price)).unwrap();
    }
    hub.remove_key("ticker.x", "c", text("c gone")).unwrap();
    publish(&hub, "plain", &["not for newcomers"]);
    let mut newcomer = hub.subscribe(["ticker.*", "plain"]).open().unwrap();
    hub.publish_keyed("ticker.x", "b", text("b7")).unwrap();
    publish(&hub, "plain", &["8"]);
    assert_eq!(ready(&mut newcomer), ["a3", "b7", "8"]);
    hub.publish_keyed("ticker.x", "c", text("c9")).unwrap();
    assert_eq!(ready(&mut newcomer), ["c9"]);

    assert!(matches!(
        hub.publish_keyed("ticker.x", "d", text("")),
        Err(PublishError::TooManyKeys { max: 3 })
    ));
    assert!(matches!(hub.publish_keyed("plain", "a", text("")), Err(PublishError::NotKeyed)));
    assert!(matches!(hub.remove_key("plain", "a", text("")), Err(PublishError::NotKeyed)));
}

#[test]
fn a_subscriber_that_falls_behind_a_keyed_log_gets_the_newest_of_each_key() {
    let hub = Hub::builder().keyed("k", 10).unwrap().max_messages(2).build();
    let mut slow = hub.subscribe("k").open().unwrap();
    for (key, value) in [("a", "a1"), ("b", "b2"), ("a", "a3"), ("c", "c4"), ("d", "d5")] {
        hub.publish_keyed("k", key, text(value)).unwrap();
    }
    assert_eq!(ready(&mut slow), ["0..3", "b2", "a3", "c4", "d5"]);
}

#[test]
fn after_a_gap_with_a_snapshot_a_page_knows_which_keys_are_gone() {
    for policy in [Policy::Gap, Policy::Latest] {
        let hub = Hub::builder().keyed("k", 10).unwrap().max_messages(3).build();
        let set = |key: &str| hub.publish_keyed("k", key, text(key)).unwrap();
        let mut stays = hub.subscribe("k").policy(policy).without_first_id().open().unwrap();
        set("a");
        let last = set("b");
        assert_eq!(ready(&mut stays), ["a", "b"]);
        hub.remove_key("k", "b", text("b is gone")).unwrap();
        (0..4).for_each(|_| _ = set("c"));
        let returns = hub.subscribe("k").policy(policy).resume(last).open().unwrap();
        for mut reader in [stays, returns] {
            let Some(Some(Delivery::Gap(gap))) = reader.next().now_or_never() else {
                panic!("a gap");
            };
            assert!(gap.has_snapshot());
            let event = gap.to_message().encode().unwrap();
            let event = std::str::from_utf8(event.as_bytes()).unwrap();
            assert!(event.contains(",\"snapshot\":true}\n"), "{event}");
            let values = ready(&mut reader);
            assert_eq!((&*values[0], &*values[1]), ("a again", "c"), "{policy:?}");
        }
    }
    // Of a topic without keys, or without a loss of keyed topics, nothing comes again.
    let hub = Hub::builder().keyed("k", 10).unwrap().max_messages(2).build();
    let mut both = hub.subscribe(["k", "a"]).without_first_id().open().unwrap();
    hub.publish_keyed("k", "p", text("p")).unwrap();
    assert_eq!(ready(&mut both), ["p"]);
    publish(&hub, "a", &["1", "2", "3"]);
    let Some(Some(Delivery::Gap(gap))) = both.next().now_or_never() else { panic!("a gap") };
    assert!(!gap.has_snapshot());
    assert_eq!(ready(&mut both), ["2", "3"]);
}

#[test]
fn a_subscriber_that_is_overrun_for_ever_gets_new_values_all_the_same() {
    let hub = Hub::builder().keyed("k", 200).unwrap().max_messages(2).build();
    let mut slow = hub.subscribe("k").open().unwrap();
    let set = |n: usize| {
        let key = (n % 100).to_string();
        hub.publish_keyed("k", &key, text(n.to_string())).unwrap().number()
    };
    (0..100).for_each(|n| _ = set(n));
    let mut newest = 0;
    for n in 100..5_000 {
        let last = set(n);
        if let Some(Some(Delivery::Message(message))) = slow.next().now_or_never() {
            newest = newest.max(message.position().unwrap().number());
            assert!(newest <= last);
        }
    }
    assert!(newest > 4_000, "{newest}");
}

#[test]
fn latest_skips_what_a_newer_message_of_its_key_replaced() {
    let hub = Hub::builder().keyed("k", 10).unwrap().max_messages(4).build();
    let mut latest = hub.subscribe("k").policy(Policy::Latest).open().unwrap();
    for n in 0..100 {
        hub.publish_keyed("k", ["a", "b"][n % 2], text(n.to_string())).unwrap();
    }
    assert_eq!(ready(&mut latest), ["98", "99"]);
    publish(&hub, "k", &["no key"]);
    hub.publish_keyed("k", "a", text("a")).unwrap();
    assert_eq!(ready(&mut latest), ["no key", "a"]);
    // A message without a key can be lost, and then the subscriber is told.
    publish(&hub, "k", &["lost"]);
    for _ in 0..4 {
        hub.publish_keyed("k", "a", text("a")).unwrap();
    }
    assert_eq!(ready(&mut latest), ["102..103", "99 again", "a"]);

    let error = hub.subscribe("plain").policy(Policy::Latest).open().unwrap_err();
    assert_eq!(error, SubscribeError::NotKeyed);
}

#[test]
fn with_latest_a_reader_that_keeps_up_gets_every_message_and_one_that_returns_what_has_changed() {
    let hub = Hub::builder().keyed("k.*", 9).unwrap().max_messages(4).build();
    let open = |filter: &str| hub.subscribe(filter).policy(Policy::Latest);
    let mut readers = ["k.1", "k.*"].map(|filter| open(filter).open().unwrap());
    let set = |number: usize| {
        let key = ["a", "b", "c"][number % 3];
        hub.publish_keyed("k.1", key, text(number.to_string())).unwrap()
    };
    let mut last = hub.position();
    for number in 0..100 {
        let position = set(number);
        for reader in &mut readers {
            assert_eq!(ready(reader), [number.to_string()]);
        }
        if number == 97 {
            last = position;
        }
    }
    let mut returned = open("k.1").resume(last).open().unwrap();
    assert_eq!(ready(&mut returned), ["98", "99"]);
    let mut new = open("k.1").open().unwrap();
    assert_eq!(ready(&mut new), ["97", "98", "99"]);
}

#[test]
fn a_removed_topic_takes_its_values_from_a_page_that_has_read_everything_too() {
    for policy in [Policy::Gap, Policy::close(), Policy::Latest] {
        for filter in ["k", "*"] {
            let hub = Hub::builder().keyed("k", 9).unwrap().build();
            let mut reader = hub.subscribe(filter).policy(policy).open().unwrap();
            let last = hub.publish_keyed("k", "p", text("p")).unwrap();
            assert_eq!(ready(&mut reader), ["p"]);
            assert!(hub.remove_topic("k"));
            let returned = hub.subscribe(filter).policy(policy).resume(last).open().unwrap();
            for mut reader in [reader, returned] {
                let next = reader.next().now_or_never();
                let Some(Some(Delivery::Gap(gap))) = next else {
                    panic!("{policy:?} of {filter}: {next:?}");
                };
                assert!(gap.has_snapshot(), "{policy:?} of {filter}");
                assert_eq!(ready(&mut reader), [""; 0]);
                assert_eq!(reader.end(), None);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_pace_latest_gives_each_key_at_most_once_in_that_time() {
    let window = Duration::from_millis(50);
    for topics in [&["k.1"][..], &["k.1", "k.2"], &["k.*"]] {
        let hub = Hub::builder().keyed("k.*", 9).unwrap().build();
        let subscribe = hub.subscribe(topics).policy(Policy::Latest);
        let mut paced = subscribe.pace(window).without_first_id().open().unwrap();
        for round in 0..20 {
            for change in 0..40 {
                let key = ["a", "b", "c"][change % 3];
                hub.publish_keyed("k.1", key, text(format!("{key} {round} {change}"))).unwrap();
                // In the first round, the first message comes at once.
                if (round, change) == (0, 0) {
                    assert_eq!(ready(&mut paced), ["a 0 0"]);
                }
                assert_eq!(ready(&mut paced), [""; 0]);
                advance(Duration::from_millis(1)).await;
            }
            advance(2 * window).await;
            let last = [37, 38, 39].map(|change| {
                let key = ["a", "b", "c"][change % 3];
                format!("{key} {round} {change}")
            });
            let mut received = ready(&mut paced);
            received.sort_unstable();
            let mut expect = last.to_vec();
            expect.sort_unstable();
            assert_eq!(received, expect, "{topics:?}");
        }
    }
}

//! Presence while topics and subscriptions come and go at the same time.

use std::{collections::BTreeMap, sync::Arc, thread};

use volga_sse::hub::Hub;

use super::hub_support::publish;
use super::seeded::{Random, Seed};

/// Identities join and leave a topic a few at a time, so others come and go in between.
#[test]
fn presence_is_right_after_topics_and_subscriptions_came_and_went_at_the_same_time() {
    const FILTERS: [&[&str]; 4] = [&["room.*"], &[">"], &["*.1", "room.>"], &["other.*"]];
    let open = |hub: &Hub, random: &mut Random| {
        let identity = random.below(40).to_string();
        let filters = random.pick(&FILTERS);
        let subscription = hub.subscribe(filters).identity(identity.as_str()).open();
        (subscription.expect("room"), filters, identity)
    };
    for seed in 0..60 {
        let _seed = Seed(seed);
        let hub = Hub::new();
        let mut random = Random(seed);
        let stay: Vec<_> = (0..150).map(|_| open(&hub, &mut random)).collect();
        let come_and_go = |seed| {
            let (mut random, mut held) = (Random(seed), Vec::new());
            for _ in 0..100 {
                if held.len() < 10 || random.below(2) == 0 {
                    held.push(open(&hub, &mut random));
                } else {
                    held.swap_remove(random.below(held.len()));
                }
            }
            held
        };
        let change_topics = |seed| {
            let mut random = Random(seed);
            for _ in 0..30 {
                let topic = format!("{}.{}", random.pick(&["room", "other"]), random.below(3));
                match random.below(6) {
                    0 | 1 => _ = hub.remove_topic(&topic),
                    2 => _ = hub.close_identity(&random.below(5).to_string()),
                    _ => _ = publish(&hub, &topic, &["x"]),
                }
            }
        };
        let held = thread::scope(|scope| {
            let comers = [1, 2].map(|n| scope.spawn(move || come_and_go(1_000 * n + seed)));
            for n in [3, 4] {
                scope.spawn(move || change_topics(1_000 * n + seed));
            }
            comers.map(|thread| thread.join().expect("no panic"))
        });
        let open: Vec<_> = stay.into_iter().chain(held.into_iter().flatten()).collect();
        for topic in (0..3).flat_map(|n| [format!("room.{n}"), format!("other.{n}")]) {
            let mut expected = BTreeMap::<Arc<str>, usize>::new();
            let reads = |filters: &[&str]| match topic.as_str() {
                "other.1" => filters != FILTERS[0],
                topic if topic.starts_with("other") => {
                    filters == FILTERS[1] || filters == FILTERS[3]
                }
                _ => filters != FILTERS[3],
            };
            for (_, _, identity) in open.iter().filter(|(subscription, filters, _)| {
                hub.topic_stats(&topic).is_some() && subscription.end().is_none() && reads(filters)
            }) {
                *expected.entry(identity.as_str().into()).or_default() += 1;
            }
            assert_eq!(hub.presence(&topic), expected, "{topic}");
        }
        drop(open);
        let topics = (0..3).flat_map(|n| [format!("room.{n}"), format!("other.{n}")]);
        topics.for_each(|topic| assert_eq!(hub.presence(&topic), [].into(), "{topic}"));
    }
}

//! Presence while topics and subscriptions come and go at the same time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    thread,
};

use volga_sse::hub::Hub;

use super::hub_presence::follow;
use super::hub_support::publish;
use super::seeded::{Random, Seed};

/// A topic that comes or goes changes nothing for the identities that read it by a pattern.
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
        // More topics than are told of a change in one step are watched, some of them only for a
        // while.
        let topics: Vec<String> = (0..3)
            .flat_map(|n| [format!("room.{n}"), format!("other.{n}")])
            .chain((3..60).map(|n| format!("other.{n}")))
            .collect();
        let watch = |topic: &String| {
            (topic.clone(), hub.watch_presence(topic).expect("a name"), BTreeSet::new())
        };
        let mut watches: Vec<_> = topics.iter().map(watch).collect();
        let watch_for_a_while = |seed| {
            let (mut random, mut held) = (Random(seed), Vec::new());
            for _ in 0..100 {
                match random.below(4) {
                    0 | 1 => held.push(watch(&topics[random.below(topics.len())])),
                    2 if !held.is_empty() => _ = held.swap_remove(random.below(held.len())),
                    _ => held.iter_mut().for_each(|(_, watch, picture)| {
                        follow(picture, watch);
                    }),
                }
            }
            held
        };
        let held = thread::scope(|scope| {
            let watching = scope.spawn(|| watch_for_a_while(5_000 + seed));
            let comers = [1, 2].map(|n| scope.spawn(move || come_and_go(1_000 * n + seed)));
            for n in [3, 4] {
                scope.spawn(move || change_topics(1_000 * n + seed));
            }
            watches.extend(watching.join().expect("no panic"));
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
            for (_, _, identity) in open
                .iter()
                .filter(|(subscription, filters, _)| subscription.end().is_none() && reads(filters))
            {
                *expected.entry(identity.as_str().into()).or_default() += 1;
            }
            assert_eq!(hub.presence(&topic), expected, "{topic}");
        }
        for (topic, watch, picture) in &mut watches {
            follow(picture, watch);
            assert!(picture.iter().eq(hub.presence(topic).keys()), "a watch of {topic}");
        }
        drop(open);
        for (_, watch, picture) in &mut watches {
            follow(picture, watch);
            assert!(picture.is_empty(), "{picture:?}");
        }
        let topics = (0..3).flat_map(|n| [format!("room.{n}"), format!("other.{n}")]);
        topics.for_each(|topic| assert_eq!(hub.presence(&topic), [].into(), "{topic}"));
    }
}

//! Several hubs that follow one outside source. Clients move between them as if they were one hub.

use futures_util::FutureExt;
use volga_sse::{
    Message, Position,
    hub::{Delivery, Hub, KeyChange, PublishError},
};

const EPOCH: u64 = 0x77;
const HELD: usize = 16;

fn at(number: u64) -> Position {
    Position::new(EPOCH, number)
}

fn hub(after: u64) -> Hub {
    Hub::builder().relay(at(after)).max_reordered(HELD).build()
}

fn put(hub: &Hub, number: u64) {
    let topic = ["t.a", "t.b"][number as usize % 2];
    hub.publish_at(at(number), topic, KeyChange::None, Message::new().data(number.to_string()))
        .expect("valid");
}

/// Everything that is ready: a message as its number twice, and a gap as its two ends.
fn ready(subscription: &mut volga_sse::hub::Subscription) -> Vec<(u64, u64)> {
    let next = || subscription.next().now_or_never()?;
    let ends = |delivery| match delivery {
        // The message that gives a new client an ID and nothing else.
        Delivery::Message(message) if message.as_bytes().starts_with(b"id: ") => None,
        Delivery::Message(message) => {
            let number = message.position().expect("valid").number();
            Some((number, number))
        }
        Delivery::Gap(gap) => Some((gap.after().expect("valid").number(), gap.through().number())),
    };
    std::iter::from_fn(next).filter_map(ends).collect()
}

/// The order in which a hub gets the messages of its source. Each message comes a few places early
/// or late, and some come twice.
fn disorder(seed: u64, last: u64) -> Vec<u64> {
    let mut random = seed;
    let mut next = move |end: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % end
    };
    let mut all: Vec<(u64, u64)> = Vec::new();
    for number in 1..=last {
        all.push((number + next(HELD as u64 / 2), number));
        if next(4) == 0 {
            all.push((number + next(HELD as u64 * 4), number));
        }
    }
    all.sort_by_key(|(when, _)| *when);
    all.into_iter().map(|(_, number)| number).collect()
}

#[test]
fn an_id_of_one_hub_resumes_on_another_in_whatever_order_messages_come() {
    const LAST: u64 = 600;
    for seed in 0..20 {
        let hubs = [hub(0), hub(0)];
        let orders = [disorder(seed, LAST), disorder(seed + 1_000, LAST)];
        // The second hub lags behind the first.
        let mut steps = [(0, 0), (1, 0)];
        let mut received: Vec<u64> = Vec::new();
        let mut client = hubs[0].subscribe("t.*").open().unwrap();
        for round in 0.. {
            for (hub, done) in &mut steps {
                let pace = 7 + (round + *hub as u64) % 3 - 2 * *hub as u64;
                for number in orders[*hub].iter().skip(*done).take(pace as usize) {
                    put(&hubs[*hub], *number);
                    *done += 1;
                }
            }
            for (after, through) in ready(&mut client) {
                assert_eq!(after, through, "a gap, seed {seed}");
                received.push(after);
            }
            if steps.iter().all(|(hub, done)| *done == orders[*hub].len()) {
                break;
            }
            // The lag stays within the number of messages that a hub holds back.
            let ahead = hubs[0].position().number().abs_diff(hubs[1].position().number());
            if round % 3 == 0 && ahead < HELD as u64 {
                let hub = &hubs[round as usize / 3 % 2];
                let last = received.last().copied().unwrap_or(0);
                client = hub.subscribe("t.*").resume(at(last)).open().unwrap();
            }
        }
        received.extend(ready(&mut client).into_iter().map(|(number, _)| number));
        assert_eq!(received, (1..=LAST).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn a_message_that_never_comes_becomes_a_gap_for_everybody() {
    let hub = hub(0);
    let mut one = hub.subscribe("t.a").open().unwrap();
    let mut other = hub.subscribe("quiet").open().unwrap();
    let mut later = hub.subscribe("later.*").open().unwrap();
    put(&hub, 2);
    // The first message never comes.
    for number in 3..=HELD as u64 + 1 {
        put(&hub, number);
        assert_eq!(ready(&mut one), []);
    }
    put(&hub, HELD as u64 + 2);
    assert_eq!(ready(&mut one)[..3], [(0, 1), (2, 2), (4, 4)]);
    assert_eq!(ready(&mut other), [(0, 1)]);
    assert_eq!(ready(&mut later), [(0, 1)]);
    let mut resumed = hub.subscribe("new").resume(at(0)).open().unwrap();
    assert_eq!(ready(&mut resumed), [(0, 1)]);
    let mut resumed = hub.subscribe("t.a").resume(at(1)).open().unwrap();
    assert_eq!(ready(&mut resumed)[0], (2, 2));
    // This is too late.
    put(&hub, 1);
    assert_eq!(ready(&mut one), []);
}

#[test]
fn a_source_may_declare_that_missing_messages_never_come() {
    let hub = hub(0);
    let mut all = hub.subscribe("t.*").open().unwrap();
    put(&hub, 2);
    put(&hub, 5);
    hub.skip_to(at(6)).unwrap();
    put(&hub, 7);
    assert_eq!(ready(&mut all), [(0, 6), (2, 2), (5, 5), (7, 7)]);
    hub.skip_to(at(3)).unwrap();
    assert_eq!(ready(&mut all), []);
    hub.skip_to(at(u64::MAX)).unwrap();
    assert_eq!(ready(&mut all), [(7, u64::MAX)]);
}

#[test]
fn a_hub_that_starts_later_has_no_earlier_messages() {
    let hub = hub(100);
    put(&hub, 101);
    let mut all = hub.subscribe("t.*").resume(at(90)).open().unwrap();
    assert_eq!(ready(&mut all), [(90, 100), (101, 101)]);
    let mut newcomer = hub.subscribe("t.*").history(10).open().unwrap();
    assert_eq!(ready(&mut newcomer), [(101, 101)]);
    // No other hub of this source can be that far ahead.
    let far = at(102 + HELD as u64);
    let mut ahead = hub.subscribe("t.*").resume(far).open().unwrap();
    assert!(matches!(
        ahead.next().now_or_never(),
        Some(Some(Delivery::Gap(gap))) if gap.after().is_none()
    ));
}

#[test]
fn positions_come_from_the_source_or_from_the_hub() {
    let message = || Message::new().data("x");
    let relayed = hub(0);
    assert!(matches!(relayed.publish("a", message()), Err(PublishError::Relayed)));
    let other = relayed.publish_at(Position::new(1, 1), "a", KeyChange::None, message());
    assert!(matches!(other, Err(PublishError::OtherEpoch)));
    let own = Hub::new();
    let position = Position::new(own.position().epoch(), 1);
    let error = own.publish_at(position, "a", KeyChange::None, message());
    assert!(matches!(error, Err(PublishError::NotRelayed)));
    assert!(matches!(own.skip_to(position), Err(PublishError::NotRelayed)));
}

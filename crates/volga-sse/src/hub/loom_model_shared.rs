//! Checks a shared hub under every order in which its feed and a subscription can use its locks and
//! atomics: when the engine begins another epoch, and when it has lost messages.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p volga-sse --features hub --release --lib loom`

use std::future::ready;

use loom::thread;

use crate::codec::position::Position;
use crate::hub::handle::Hub;
use crate::hub::loom_model::{model, next};
use crate::hub::relay::adapter::{Append, Receipt, Relay, RelayFuture};
use crate::hub::relay::error::{RelayError, SendError};
use crate::hub::relay::feed::Feed;
use crate::hub::relay::incoming::Incoming;
use crate::hub::relay::state::RelayState;
use crate::hub::subscription::Subscription;
use crate::hub::subscription::delivery::Delivery;
use crate::hub::topic::key_table::KeyChange;

/// An engine whose feed is all that counts.
struct SilentEngine;

impl Relay for SilentEngine {
    fn append(&self, _: Vec<Append>) -> RelayFuture<Vec<Result<Receipt, SendError>>> {
        Box::pin(ready(Vec::new()))
    }

    fn tail(&self) -> RelayFuture<Result<Position, RelayError>> {
        Box::pin(ready(Err(RelayError::new("it answers nothing"))))
    }
}

/// A hub whose engine is in epoch 1 and has sent nothing, its feed, and a subscription.
fn open() -> (Hub, Feed, Subscription) {
    let (hub, mut feed) = Hub::builder().build_shared(SilentEngine);
    feed.begin(1, None);
    feed.set_state(RelayState::Live);
    let subscription = hub.subscribe("a").without_first_id().open().expect("open");
    (hub, feed, subscription)
}

fn take(feed: &mut Feed, position: Position) {
    // The version of the format, and the lines of an event.
    let payload = b"\x01data: x\n";
    let key = KeyChange::None;
    feed.take([Incoming { position, after: None, at: None, topic: b"a", key, payload }]);
}

/// Reads up to this position. Returns the positions of the messages, and the ends of the gaps.
fn read_to(subscription: &mut Subscription, end: Position) -> (Vec<Position>, Vec<Position>) {
    let (mut messages, mut gaps) = (Vec::new(), Vec::new());
    while messages.last() != Some(&end) {
        match next(subscription).expect("the hub is open") {
            Delivery::Message(message) => messages.extend(message.position()),
            Delivery::Gap(gap) => gaps.push(gap.through()),
        }
    }
    (messages, gaps)
}

#[test]
fn what_the_engine_has_lost_is_told_whatever_the_subscription_reads_meanwhile() {
    model(|| {
        let (_hub, mut feed, mut subscription) = open();
        let [first, lost, last] = [1, 2, 3].map(|number| Position::new(1, number));
        let feeding = thread::spawn(move || {
            take(&mut feed, first);
            feed.lost(lost, None);
            take(&mut feed, last);
            feed
        });
        let (messages, gaps) = read_to(&mut subscription, last);
        assert_eq!(gaps.last(), Some(&lost), "it is told before what follows");
        // A gap may cover the message before as well.
        assert!(messages == [first, last] || messages == [last], "{messages:?}");
        drop(feeding.join().expect("no panic"));
    });
}

#[test]
fn what_did_not_last_in_an_epoch_is_told_to_the_subscriptions_that_have_read_it() {
    model(|| {
        let (_hub, mut feed, mut subscription) = open();
        let [lasted, did_not] = [1, 2].map(|number| Position::new(1, number));
        let begin = Position::new(2, 1);
        let feeding = thread::spawn(move || {
            take(&mut feed, lasted);
            take(&mut feed, did_not);
            feed.begin(2, Some(lasted));
            take(&mut feed, begin);
            feed
        });
        let (messages, gaps) = read_to(&mut subscription, begin);
        assert!(messages.starts_with(&[lasted]) && messages.ends_with(&[begin]), "{messages:?}");
        let has_read_it = messages.contains(&did_not);
        assert!(!has_read_it || gaps.len() == 1, "{messages:?} without a gap");
        drop(feeding.join().expect("no panic"));
    });
}

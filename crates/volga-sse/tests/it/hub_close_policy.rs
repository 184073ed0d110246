//! `Policy::Close`: the stream of a reader that stalls ends, and never tells of a gap instead.

use std::pin::Pin;

use futures_util::FutureExt;
use http_body::Body;
use http_body_util::BodyExt;
use proptest::{collection::vec, prelude::*};
use volga_sse::{
    EndReason, Heartbeat, Message, Sse, SseBody,
    hub::{Delivery, Hub, Policy, Subscription, SubscriptionEnd},
};

fn hub(messages: usize) -> Hub {
    Hub::builder().max_messages(messages).policy(Policy::close()).build()
}

fn publish(hub: &Hub, count: usize) {
    (0..count).for_each(|_| _ = hub.publish("a", Message::new().data("x")).expect("published"));
}

/// The next message's number. `None` if nothing is ready, or if the subscription has ended.
fn next(subscription: &mut Subscription) -> Option<u64> {
    match subscription.next().now_or_never()?? {
        Delivery::Message(message) => message.position().map(|position| position.number()),
        Delivery::Gap(gap) => panic!("{gap:?} in place of the end"),
    }
}

proptest! {
    #[test]
    fn a_reader_that_has_caught_up_is_ended_half_a_log_behind_and_resumes_whole(
        max in 4..40_usize,
        topics in 1..3_usize,
        steps in vec((0..50_usize, 0..8_usize), 1..20),
    ) {
        let hub = hub(max);
        let mut reader = hub.subscribe(&["a", "b"][..topics]).open().unwrap();
        prop_assert!(next(&mut reader).is_some(), "its first ID");
        prop_assert!(next(&mut reader).is_none());
        let (mut has_read, mut published) = (0, 0);
        for (more, reads) in steps {
            publish(&hub, more);
            published += more as u64;
            let is_too_slow = published - has_read >= (max as u64 / 2).max(2);
            // Also without being polled.
            prop_assert_eq!(reader.end().is_some(), is_too_slow, "{} of {}", has_read, published);
            if is_too_slow {
                break;
            }
            for _ in 0..reads {
                if let Some(number) = next(&mut reader) {
                    has_read += 1;
                    prop_assert_eq!(number, has_read);
                }
            }
        }
        if reader.end().is_none() {
            publish(&hub, max);
            published += max as u64;
        }
        prop_assert_eq!(reader.next().now_or_never(), Some(None));
        prop_assert_eq!(reader.end(), Some(SubscriptionEnd::TooSlow));
        prop_assert_eq!(reader.position().number(), has_read);
        let mut again = hub.subscribe("a").resume(reader.position()).open().unwrap();
        if published - has_read <= max as u64 {
            for number in has_read + 1..=published {
                prop_assert_eq!(next(&mut again), Some(number));
            }
        } else {
            let first = again.next().now_or_never();
            prop_assert!(matches!(first, Some(Some(Delivery::Gap(_)))), "{first:?}");
        }
    }
}

/// Takes all frames that are ready.
fn take_all(body: &mut Pin<Box<SseBody<Subscription>>>) {
    while let Some(frame) = body.frame().now_or_never() {
        assert!(frame.is_some(), "it has not ended yet");
    }
}

proptest! {
    /// A server asks a body whether it has ended also while it does not poll it, because the
    /// client reads nothing.
    #[test]
    fn the_body_of_a_stalled_reader_says_that_it_has_ended_half_a_log_behind(
        max in 4..40_usize,
        kind in 0..4_usize,
        steps in vec((0..50_usize, any::<bool>()), 1..20),
    ) {
        let hub = hub(max);
        let topics: &[&str] = [&["a"][..], &["a", "b"], &[">"], &["a", "b.*"]][kind];
        let subscription = hub.subscribe(topics).identity("anna").open().unwrap();
        let (told, reason) = std::sync::mpsc::channel();
        let sse = Sse::new(subscription)
            .without_retry()
            .heartbeat(Heartbeat::off())
            .on_end(move |end| told.send(end.reason()).expect("the test waits"));
        let mut body = Box::pin(sse.into_response().into_body());
        take_all(&mut body);
        let mut unread = 0;
        for (more, reads) in steps {
            publish(&hub, more);
            unread += more;
            let has_ended = unread >= (max / 2).max(2);
            prop_assert_eq!(body.is_end_stream(), has_ended, "{} of {}", unread, max);
            if has_ended {
                break;
            }
            if reads {
                take_all(&mut body);
                unread = 0;
            }
        }
        if !body.is_end_stream() {
            hub.close_identity("anna");
            prop_assert!(body.is_end_stream(), "the identity is closed");
        }
        if max % 2 == 0 {
            prop_assert!(body.frame().now_or_never().expect("the end").is_none());
        }
        drop(body);
        prop_assert_eq!(reason.try_recv(), Ok(EndReason::Finished));
        prop_assert!(reason.try_recv().is_err(), "it is told once");
    }
}

#[test]
fn a_body_that_stalls_for_longer_than_the_log_ends() {
    let hub = hub(8);
    let subscription = hub.subscribe("a").open().unwrap();
    let sse = Sse::new(subscription).without_retry().heartbeat(Heartbeat::off());
    let mut body = Box::pin(sse.into_response().into_body());
    let frame = body.frame().now_or_never().expect("an ID").expect("a frame").expect("valid");
    assert!(frame.into_data().expect("data").starts_with(b"id: "));
    assert!(body.frame().now_or_never().is_none());
    publish(&hub, 100);
    assert!(body.frame().now_or_never().expect("the end").is_none());
}

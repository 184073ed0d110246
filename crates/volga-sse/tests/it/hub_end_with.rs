//! `Sse::end_with`: a stream of the application's own ends as that of its subscription would.

use std::{
    num::NonZeroU32,
    pin::Pin,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::pending, stream};
use http_body::Body;
use http_body_util::BodyExt;
use proptest::{collection::vec, prelude::*};
use volga_sse::{
    BoxError, CloseHandle, DEFAULT_MAX_FRAME_BYTES, EndReason, Heartbeat, Message, Sse, SseSource,
    hub::{Delivery, EndWatch, Hub, Policy, Subscription, SubscriptionEnd},
    sse_stream,
};

type OwnBody = Pin<Box<dyn Body<Data = Bytes, Error = BoxError>>>;

/// How an application sends its subscription.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The subscription itself.
    Itself,
    Deliveries,
    Block,
    /// A block that also waits for something else.
    Select,
    /// With a second subscription, to which nothing is published.
    Merged,
    /// The same, and the watch of the second one comes first.
    MergedAfter,
}

const KINDS: [Kind; 6] =
    [Kind::Itself, Kind::Deliveries, Kind::Block, Kind::Select, Kind::Merged, Kind::MergedAfter];

/// A stream and all that a test looks at.
struct Open {
    body: OwnBody,
    watch: EndWatch,
    close: CloseHandle,
    told: Receiver<(EndReason, bool, Option<String>)>,
}

impl Open {
    fn new(hub: &Hub, kind: Kind, subscription: Subscription) -> Self {
        let quiet = || {
            let subscribe = hub.subscribe("quiet").identity("ben").policy(Policy::close());
            let quiet = subscribe.without_first_id().open().expect("open");
            (quiet.watch_end(), quiet.deliveries())
        };
        let watch = subscription.watch_end();
        match kind {
            Kind::Itself => Self::of(Sse::new(subscription), watch),
            Kind::Deliveries => {
                let stream = subscription.deliveries().map(Delivery::encode);
                Self::of(Sse::new(stream).end_with(watch.clone()), watch)
            }
            Kind::Block => Self::of(Sse::new(block(subscription)).end_with(watch.clone()), watch),
            Kind::Select => {
                let mut subscription = subscription;
                let stream = sse_stream! {
                    loop {
                        tokio::select! {
                            next = subscription.next() => match next {
                                Some(delivery) => yield delivery,
                                None => return Ok(()),
                            },
                            () = pending() => {}
                        }
                    }
                };
                Self::of(Sse::new(stream).end_with(watch.clone()), watch)
            }
            Kind::Merged => {
                let (of_quiet, quiet) = quiet();
                let sse = Sse::new(stream::select(subscription.deliveries(), quiet));
                Self::of(sse.end_with(watch.clone()).end_with(of_quiet), watch)
            }
            Kind::MergedAfter => {
                let (of_quiet, quiet) = quiet();
                let sse = Sse::new(stream::select(quiet, subscription.deliveries()));
                Self::of(sse.end_with(of_quiet).end_with(watch.clone()), watch)
            }
        }
    }

    fn of<S: SseSource + 'static>(sse: Sse<S>, watch: EndWatch) -> Self {
        let (tell, told) = channel();
        let sse = sse.without_retry().heartbeat(Heartbeat::off()).farewell_spread(Duration::ZERO);
        let sse = sse.on_end(move |end| {
            let cause = end.cause().map(ToString::to_string);
            tell.send((end.reason(), end.has_unsent(), cause)).expect("the test waits");
        });
        let close = sse.close_handle();
        let body = Box::pin(sse.into_response().into_body());
        Self { body, watch, close, told }
    }

    /// All that is ready, with `end` at the end.
    fn take(&mut self) -> String {
        let mut all = String::new();
        loop {
            match self.body.frame().now_or_never() {
                None => return all,
                Some(None) => return all + "end",
                Some(Some(frame)) => {
                    let data = frame.expect("no error").into_data().expect("data");
                    all.push_str(std::str::from_utf8(&data).expect("text"));
                }
            }
        }
    }
}

fn block(mut subscription: Subscription) -> impl stream::Stream<Item = Result<Delivery, BoxError>> {
    sse_stream! {
        while let Some(delivery) = subscription.next().await {
            yield delivery;
        }
    }
}

fn publish(hub: &Hub, count: usize) {
    (0..count).for_each(|_| _ = hub.publish("a", Message::new().data("x")).expect("published"));
}

/// How the subscription ends if it does not lag.
#[derive(Clone, Copy, Debug)]
enum SignOut {
    Close,
    Send,
}

impl SignOut {
    fn run(self, hub: &Hub) {
        match self {
            Self::Close => _ = hub.close_identity("anna"),
            Self::Send => {
                let sent = hub.send_close_identity("anna").now_or_never();
                sent.expect("no engine to wait for").expect("sent");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Streams of every kind are sent the same, end at the same moment, and tell the same end.
    #[test]
    fn a_stream_of_ones_own_ends_as_that_of_its_subscription(
        max in 4..40_usize,
        readers in 0..5_usize,
        max_lag in prop_oneof![2 => Just(None), 1 => (1..30_u32).prop_map(NonZeroU32::new)],
        closes in any::<bool>(),
        sign_out in prop_oneof![Just(SignOut::Close), Just(SignOut::Send)],
        is_polled_at_the_end in any::<bool>(),
        steps in vec((0..50_usize, any::<bool>()), 1..20),
    ) {
        let policy = if closes { Policy::Close { max_lag } } else { Policy::Gap };
        let hub = Hub::builder().max_messages(max).policy(policy).build();
        let filters: &[&str] =
            [&["a"][..], &["a", "b"], &[">"], &["a", "b.*"], &["b", "*", "c"]][readers];
        let subscribe = |_| hub.subscribe(filters).identity("anna").open().expect("open");
        let mut all = KINDS.map(|kind| Open::new(&hub, kind, subscribe(kind)));
        let first = all.each_mut().map(Open::take);
        prop_assert!(first[0].starts_with("id: "));
        prop_assert!(first.iter().all(|other| *other == first[0]), "{:?}", first);

        let (mut unread, mut has_ended) = (0, false);
        for (more, reads) in steps {
            publish(&hub, more);
            unread += more;
            let most = max_lag.map_or((max / 2).max(2), |most| most.get() as usize);
            has_ended = closes && unread >= most.min(max + 1);
            for (open, kind) in all.iter().zip(KINDS) {
                let says_end = open.body.is_end_stream();
                prop_assert_eq!(says_end, has_ended, "{:?}: {} of {}", kind, unread, max);
            }
            if has_ended {
                break;
            }
            if reads {
                let sent = all.each_mut().map(Open::take);
                prop_assert!(sent.iter().all(|other| *other == sent[0]), "{:?}", sent);
                unread = 0;
            }
        }
        if !has_ended {
            sign_out.run(&hub);
        }
        let reason =
            if has_ended { SubscriptionEnd::TooSlow } else { SubscriptionEnd::IdentityClosed };
        for (mut open, kind) in all.into_iter().zip(KINDS) {
            prop_assert!(open.body.is_end_stream(), "{:?}", kind);
            prop_assert_eq!(open.watch.end(), Some(reason), "{:?}", kind);
            if is_polled_at_the_end {
                prop_assert_eq!(open.take(), "end", "{:?}", kind);
            }
            drop(open.body);
            prop_assert_eq!(open.told.try_recv(), Ok((EndReason::Finished, false, None)));
            prop_assert!(open.told.try_recv().is_err(), "it is told once");
            prop_assert_eq!(open.watch.end(), Some(reason), "also when nothing is left of it");
        }
    }
}

/// A stream that nothing asks ends when it is polled, and its code does not run again.
#[test]
fn the_code_of_a_stream_is_not_run_again_after_the_end() {
    for asks in [false, true] {
        for is_closing in [false, true] {
            let hub = Hub::builder().policy(Policy::close()).build();
            let mut news = hub.subscribe("a").identity("anna").open().expect("open");
            let watch = news.watch_end();
            let stream = sse_stream! {
                while let Some(delivery) = news.next().await {
                    yield delivery.encode()?;
                }
                yield Message::new().data("bye").encode()?;
            };
            let mut open = Open::of(Sse::new(stream).end_with(watch.clone()), watch);
            assert!(open.take().starts_with("id: "));
            publish(&hub, 3);
            hub.close_identity("anna");
            if is_closing {
                open.close.close();
            }
            assert!(!asks || open.body.is_end_stream());
            assert_eq!(open.take(), "end");
            assert_eq!(open.told.try_recv(), Ok((EndReason::Finished, false, None)));
        }
    }
}

/// Not even a farewell comes after the end.
#[test]
fn a_subscription_that_ends_while_its_stream_closes_ends_it() {
    for kind in KINDS {
        let hub = Hub::new();
        let subscribe = hub.subscribe("a").identity("anna").without_first_id();
        let mut open = Open::new(&hub, kind, subscribe.open().expect("open"));
        assert_eq!(open.take(), "");
        // Each one fills a frame.
        let message = Message::new().data("x".repeat(DEFAULT_MAX_FRAME_BYTES));
        (0..3).for_each(|_| _ = hub.publish("a", message.clone()).expect("published"));
        open.close.close();
        let frame = open.body.frame().now_or_never().flatten().expect("a frame");
        assert!(frame.expect("no error").is_data());
        hub.close_identity("anna");
        assert_eq!(open.take(), "end", "{kind:?}");
        assert_eq!(open.told.try_recv(), Ok((EndReason::Finished, false, None)));
    }
}

/// The opening is sent, and then the stream ends, as for the subscription itself.
#[test]
fn a_subscription_that_has_ended_before_its_stream_begins_ends_it() {
    let hub = Hub::new();
    for kind in KINDS {
        let subscription = hub.subscribe("a").identity("anna").open().expect("open");
        let mut open = Open::new(&hub, kind, subscription);
        hub.close_identity("anna");
        assert_eq!(open.take(), "end", "{kind:?}");
        assert_eq!(open.told.try_recv(), Ok((EndReason::Finished, false, None)));
    }
}

/// A stream ends with the first of its subscriptions, whichever it is.
#[test]
fn a_stream_of_two_subscriptions_ends_with_the_first_that_ends() {
    for kind in [Kind::Merged, Kind::MergedAfter] {
        for identity in ["anna", "ben"] {
            let hub = Hub::new();
            let subscription = hub.subscribe("a").identity("anna").open().expect("open");
            let mut open = Open::new(&hub, kind, subscription);
            open.take();
            publish(&hub, 1);
            hub.close_identity(identity);
            assert!(open.body.is_end_stream(), "{kind:?} {identity}");
            assert_eq!(open.take(), "end");
            assert_eq!(open.watch.end().is_some(), identity == "anna");
        }
    }
}

/// Clients of a closed hub must not return at the same time, whatever sends the subscription.
#[test]
fn a_stream_of_ones_own_says_farewell_when_its_hub_closes() {
    for kind in KINDS {
        let hub = Hub::builder().policy(Policy::close()).build();
        let subscribe = hub.subscribe("a").without_first_id();
        let mut open = Open::new(&hub, kind, subscribe.open().expect("open"));
        assert_eq!(open.take(), "");
        publish(&hub, 2);
        hub.close();
        assert!(!open.body.is_end_stream(), "{kind:?}: two messages are ready");
        let sent = open.take();
        assert_eq!(sent.matches("data: x\n").count(), 2, "{kind:?}: {sent}");
        assert!(sent.ends_with("\n\nretry: 1000\nend"), "{kind:?}: {sent}");
        assert_eq!(open.told.try_recv(), Ok((EndReason::Finished, false, None)));
        assert_eq!(open.watch.end(), Some(SubscriptionEnd::HubClosed));
    }
}

/// The code of a stream may go on with something else. The lag of a subscription that it does not
/// read any more is no lag.
#[test]
fn a_subscription_that_was_dropped_does_not_end_its_stream() {
    let hub = Hub::builder().max_messages(8).policy(Policy::close()).build();
    let mut news = hub.subscribe("a").identity("anna").without_first_id().open().expect("open");
    let watch = news.watch_end();
    let stream = sse_stream! {
        let first = news.next().await;
        drop(news);
        if let Some(first) = first {
            yield first;
        }
        pending::<()>().await;
    };
    let mut open = Open::of(Sse::new(stream).end_with(watch.clone()), watch);
    assert_eq!(open.take(), "");
    publish(&hub, 1);
    assert!(open.take().starts_with("data: x\n"));
    publish(&hub, 100);
    hub.close_identity("anna");
    hub.close();
    assert!(!open.body.is_end_stream());
    assert_eq!((open.take(), open.watch.end()), (String::new(), None));
    drop(hub);
    assert!(!open.body.is_end_stream());
    drop(open.body);
    assert_eq!(open.told.try_recv(), Ok((EndReason::ClientLeft, false, None)));
}

/// Code that waits for something else does not notice the end. The heartbeat does.
#[tokio::test(start_paused = true)]
async fn a_stream_whose_code_waits_for_something_else_ends_at_its_heartbeat() {
    let interval = Duration::from_secs(10);
    for lags in [false, true] {
        let hub = Hub::builder().max_messages(8).policy(Policy::close()).build();
        let mut news = hub.subscribe("a").identity("anna").without_first_id().open().expect("open");
        let watch = news.watch_end();
        let stream = sse_stream! {
            while let Some(delivery) = news.next().await {
                yield delivery;
                pending::<()>().await;
            }
        };
        let sse = Sse::new(stream).end_with(watch).heartbeat(Heartbeat::every(interval));
        let sent = tokio::spawn(sse.into_response().into_body().collect());
        tokio::task::yield_now().await;
        publish(&hub, 1);
        tokio::time::sleep(5 * interval).await;
        assert!(!sent.is_finished());
        if lags {
            publish(&hub, 100);
        } else {
            hub.close_identity("anna");
        }
        let sent = tokio::time::timeout(2 * interval, sent).await.expect("the end");
        let sent = sent.expect("no panic").expect("a proper end").to_bytes();
        assert_eq!(String::from_utf8_lossy(&sent).matches("data: ").count(), 1);
    }
}

#[tokio::test]
async fn a_watch_says_why_a_subscription_has_ended() {
    let hub = Hub::builder().max_messages(8).policy(Policy::close()).build();
    let mut news = hub.subscribe("a").without_first_id().open().expect("open");
    let watch = news.watch_end();
    publish(&hub, 100);
    assert_eq!(watch.end(), None, "it has not caught up");
    while news.next().now_or_never().is_some() {}
    publish(&hub, 3);
    assert_eq!(watch.clone().end(), None);
    publish(&hub, 1);
    assert_eq!(format!("{watch:?}"), "EndWatch { end: None, .. }", "nothing is ended by a look");
    assert_eq!(watch.end(), Some(SubscriptionEnd::TooSlow));
    assert_eq!(news.end(), watch.end());
    assert_eq!(news.next().await, None);
    let of_another_policy = hub.subscribe("a").policy(Policy::Gap).open().expect("open");
    let watch = of_another_policy.watch_end();
    publish(&hub, 100);
    assert_eq!(watch.end(), None);
    hub.close();
    assert_eq!(watch.end(), Some(SubscriptionEnd::HubClosed));
}

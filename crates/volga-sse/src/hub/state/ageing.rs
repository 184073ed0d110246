//! What is old goes by time, also on a hub that is hardly used. Each call drops what has expired in
//! a few topics. After a pause, a call also makes up for the calls that did not come.

use crate::hub::clock::Moment;
use crate::hub::state::hub_state::HubState;
use crate::hub::state::locked_state::LockedState;
use crate::hub::sync::Ordering;

/// A call drops what has expired in one more step for each such pause before it, in milliseconds.
/// One step is for 16 topics, so no more than about a topic for each millisecond is visited.
const PAUSE_PER_STEP: u64 = 16;

/// How often subscriptions without news let the hub drop what has expired, in milliseconds.
#[cfg(not(all(test, loom)))]
const QUIET_PAUSE: u64 = 1_000;

impl HubState {
    /// Drops what has expired in a few topics. If more has expired, the caller's
    /// [`catch_up`](Self::catch_up) makes up for the time since the last call.
    pub(crate) fn sweep_step(&self, locked: &mut LockedState, now: Moment) {
        let pause = locked.last_sweep.age(now);
        locked.last_sweep = locked.last_sweep.max(now);
        if locked.sweep(&self.settings, now) && pause >= PAUSE_PER_STEP {
            self.owed_sweeps.store(pause / PAUSE_PER_STEP, Ordering::Relaxed);
        }
    }

    /// Drops more of what has expired, if the hub was hardly used before this call, and frees some
    /// of what was dropped. The caller has done its work, and holds no lock. The lock is released
    /// after every few topics.
    #[inline]
    pub(crate) fn catch_up(&self, now: Moment) {
        if self.owed_sweeps.load(Ordering::Relaxed) > 0 {
            let owed = self.owed_sweeps.swap(0, Ordering::Relaxed);
            self.sweep_steps(owed, now);
        }
        if self.garbage.has_some() {
            self.free_pieces(now);
        }
    }

    #[cold]
    fn sweep_steps(&self, steps: u64, now: Moment) {
        for _ in 0..steps {
            if !self.lock().sweep(&self.settings, now) {
                return;
            }
        }
    }

    /// Drops what has expired, as a call would do it. For subscriptions to which nothing is
    /// published.
    pub(crate) fn sweep_in_silence(&self) {
        let now = self.clock.now();
        self.sweep_step(&mut self.lock(), now);
        self.catch_up(now);
    }

    /// The same, for a subscription that was polled although there is nothing for it. This happens
    /// at the heartbeat of a stream that a block or an adapter makes of the subscription.
    #[cfg(not(all(test, loom)))]
    #[cold]
    pub(crate) fn sweep_if_quiet(&self) {
        let now = self.clock.now();
        let last = Moment(self.last_quiet_sweep.load(Ordering::Relaxed));
        if last.age(now) >= QUIET_PAUSE {
            self.last_quiet_sweep.store(now.0, Ordering::Relaxed);
            self.sweep_in_silence();
        }
    }

    /// A model has no time.
    #[cfg(all(test, loom))]
    pub(crate) fn sweep_if_quiet(&self) {}

    /// Drops everything that has expired. The lock is released after every few topics.
    pub(crate) fn sweep_all(&self) {
        let now = self.clock.now();
        while self.lock().sweep(&self.settings, now) {}
        self.free_all();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::future::Future;
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::{StreamExt, stream};
    use http_body_util::BodyExt;
    use tokio::time::advance;

    use crate::codec::message::Message;
    use crate::hub::handle::Hub;
    use crate::hub::settings::{DEFAULT_MAX_AGE, DEFAULT_MAX_TOPICS};
    use crate::hub::state::hub_state::HubState;
    use crate::hub::subscription::Subscription;
    use crate::stream::body::SseBody;
    use crate::stream::response::Sse;

    const MINUTE: Duration = Duration::from_secs(60);

    /// How many topics and bytes the hub holds. In contrast to `Hub::stats`, this drops nothing.
    fn held(state: &Arc<HubState>) -> (usize, u64) {
        let locked = state.lock();
        let bytes = locked.registry.topics().map(|topic| topic.stats(0, None, 0).bytes).sum();
        (locked.registry.topics().count(), bytes)
    }

    /// Publishes 10 MB to as many topics as a hub has. Then the hub is used once a minute, for a
    /// little longer than messages are held. Returns what is left.
    async fn held_after<F: Future<Output = ()>>(
        has_readers: bool,
        each_minute: impl Fn(Hub) -> F,
    ) -> (usize, u64) {
        let hub = Hub::new();
        let readers = has_readers.then(|| hub.subscribe(">").open().expect("open"));
        for topic in 1..DEFAULT_MAX_TOPICS {
            let message = Message::new().data("x".repeat(1_000));
            hub.publish(&format!("burst.{topic}"), message).expect("published");
        }
        let state = Arc::clone(hub.state());
        assert!(held(&state).1 > 10_000_000);
        let time = DEFAULT_MAX_AGE + DEFAULT_MAX_AGE / 4 + 2 * MINUTE;
        for _ in 0..time.as_secs() / MINUTE.as_secs() {
            advance(MINUTE).await;
            each_minute(hub.clone()).await;
        }
        let held = held(&state);
        drop(readers);
        held
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_by_time_if_the_hub_is_used_once_a_minute() {
        for has_readers in [false, true] {
            let publish = async |hub: Hub| {
                hub.publish("quiet", Message::new().data("x")).expect("published");
            };
            let (topics, bytes) = held_after(has_readers, publish).await;
            assert!(bytes < 10_000, "{bytes} bytes in {topics} topics");
            assert!(has_readers || topics == 1, "{topics} topics");

            let subscribe = async |hub: Hub| drop(hub.subscribe("quiet").open().expect("open"));
            assert_eq!(held_after(has_readers, subscribe).await.1, 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_by_time_if_a_client_is_connected() {
        let hub = Hub::new();
        for topic in 1..DEFAULT_MAX_TOPICS {
            hub.publish(&format!("burst.{topic}"), Message::new().data("x")).expect("published");
        }
        let state = Arc::clone(hub.state());
        let subscription = hub.subscribe("quiet").open().expect("open");
        let body: SseBody<_> = Sse::new(subscription).into_response().into_body();
        let client = tokio::spawn(body.collect());
        tokio::time::sleep(DEFAULT_MAX_AGE + DEFAULT_MAX_AGE / 4 + 2 * MINUTE).await;
        assert_eq!(held(&state), (1, 0));
        client.abort();
    }

    /// A stream that a block makes of a subscription, and an adapter, have no subscription as their
    /// source. At a heartbeat they poll it all the same.
    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_by_time_if_the_streams_are_made_by_blocks_and_adapters() {
        for is_block in [true, false] {
            let hub = Hub::new();
            for topic in 1..DEFAULT_MAX_TOPICS {
                let message = Message::new().data("x");
                hub.publish(&format!("burst.{topic}"), message).expect("published");
            }
            let state = Arc::clone(hub.state());
            let subscription = hub.subscribe("quiet").open().expect("open");
            let client = if is_block {
                let next = async |mut subscription: Subscription| {
                    subscription.next().await.map(|delivery| (delivery, subscription))
                };
                let deliveries = stream::unfold(subscription, next);
                tokio::spawn(Sse::new(Box::pin(deliveries)).into_response().into_body().collect())
            } else {
                let deliveries = subscription.deliveries().map(|delivery| delivery);
                tokio::spawn(Sse::new(deliveries).into_response().into_body().collect())
            };
            tokio::time::sleep(DEFAULT_MAX_AGE + DEFAULT_MAX_AGE / 4 + 2 * MINUTE).await;
            assert_eq!(held(&state), (1, 0), "{is_block}");
            client.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_if_the_application_asks_for_it() {
        let drop_expired = async |hub: Hub| hub.drop_expired();
        assert_eq!(held_after(false, drop_expired).await, (0, 0));
        assert_eq!(held_after(true, drop_expired).await.1, 0);
        assert!(held_after(true, async |_| {}).await.1 > 10_000_000, "nobody uses the hub");
    }

    /// The list of the last messages must not hold what the logs have dropped.
    #[tokio::test(start_paused = true)]
    async fn what_expires_is_not_held_for_readers_of_many_topics() {
        let hub = Hub::builder().keyed("keyed.>", 2).expect("valid").build();
        let before = hub.position();
        let all = hub.subscribe(">").open().expect("open");
        for number in 0..40 {
            let name = format!("{}.{}", ["plain", "keyed"][number % 2], number / 2 % 5);
            hub.publish(&name, Message::new().data("x")).expect("published");
            if number % 2 == 1 {
                hub.publish_keyed(&name, "a", Message::new().data("x")).expect("published");
            }
        }
        let state = Arc::clone(hub.state());
        state.check_recent();
        advance(DEFAULT_MAX_AGE + Duration::from_millis(1)).await;
        // A client that resumes lets the topics that it names drop what has expired.
        let named = ["plain.0", "plain.1", "plain.2", "keyed.0", "keyed.1"];
        let mut back = hub.subscribe(named).resume(before).open().expect("open");
        state.check_recent();
        assert!(futures_util::FutureExt::now_or_never(back.next()).is_some());
        state.check_recent();
        // So does one whose patterns match them, when it reads.
        let mut back = hub.subscribe(["plain.*", "keyed.*"]).resume(before).open().expect("open");
        assert!(futures_util::FutureExt::now_or_never(back.next()).is_some());
        state.check_recent();
        hub.drop_expired();
        state.check_recent();
        drop(all);
    }

    #[tokio::test(start_paused = true)]
    async fn a_topic_keeps_its_history_for_the_whole_age_and_then_goes() {
        let hub = Hub::new();
        let first = hub.publish("a", Message::new().data("1")).expect("published");
        hub.publish("a", Message::new().data("2")).expect("published");
        advance(DEFAULT_MAX_AGE).await;
        hub.publish("b", Message::new().data("x")).expect("published");
        let mut back = hub.subscribe("a").resume(first).open().expect("open");
        let next = futures_util::FutureExt::now_or_never(back.next()).expect("ready");
        let next = next.expect("a delivery").encode().expect("valid");
        assert!(next.as_bytes().starts_with(b"data: 2\n"));
        drop(back);
        advance(Duration::from_millis(1)).await;
        hub.publish("b", Message::new().data("x")).expect("published");
        assert!(hub.topic_stats("a").is_none());
    }
}

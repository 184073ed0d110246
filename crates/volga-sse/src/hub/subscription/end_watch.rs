//! Says that a subscription has ended, although only the code of a stream has the subscription, and
//! nothing polls it.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::hub::state::hub_state::HubState;
use crate::hub::subscription::Subscription;
use crate::hub::subscription::topics::SubscribedTopics;
use crate::hub::topic::subscriber::{Subscriber, SubscriptionEnd};
use crate::stream::inner_source::InnerSource;
use crate::stream::response::Sse;
use crate::stream::source::SseSource;

/// Says whether a subscription has ended, also while your code that reads it is not running. See
/// [`Subscription::watch_end`] and [`Sse::end_with`].
///
/// Clones watch the same subscription. A watch does not keep the subscription open. It keeps the
/// logs of the topics in memory that the subscription names, so do not keep it for much longer.
#[derive(Clone)]
pub struct EndWatch {
    hub: Weak<HubState>,
    subscriber: Arc<Subscriber>,
    lag: Option<Arc<WatchedLag>>,
}

/// How far a subscription may lag, and behind which topics.
struct WatchedLag {
    topics: SubscribedTopics,
    max: (usize, u64),
}

impl Subscription {
    /// Returns a watch that says whether this subscription has ended, wherever you move it to. Pass
    /// the watch to [`Sse::end_with`].
    #[must_use]
    pub fn watch_end(&self) -> EndWatch {
        let max = self.policy().max_lag(&self.hub.settings.bounds);
        let lag =
            max.map(|max| Arc::new(WatchedLag { topics: self.topics.without_backlog(), max }));
        let subscriber = Arc::clone(&self.subscriber);
        EndWatch { hub: Arc::downgrade(&self.hub), subscriber, lag }
    }
}

impl EndWatch {
    /// Why the subscription has ended, as [`Subscription::end`] says it. `None` if it is open, or
    /// if it was dropped while it was open.
    ///
    /// A subscription that lags too far for its [`Policy::Close`](crate::hub::Policy::Close) ends
    /// when you call this.
    #[must_use]
    pub fn end(&self) -> Option<SubscriptionEnd> {
        if self.subscriber.end().is_none() && self.is_too_slow() {
            self.close(SubscriptionEnd::TooSlow);
        }
        self.subscriber.end()
    }

    fn is_too_slow(&self) -> bool {
        let Some(lag) = &self.lag else { return false };
        self.subscriber.may_be_too_slow()
            && self
                .hub
                .upgrade()
                .is_some_and(|hub| lag.topics.is_behind_by(&hub, lag.max, self.subscriber.cursor()))
    }

    fn close(&self, end: SubscriptionEnd) {
        // The task that polls the subscription need not be the one that asks.
        if let Some(waker) = self.subscriber.close(end) {
            waker.wake();
        }
    }
}

impl InnerSource for EndWatch {
    fn is_over(&self) -> bool {
        self.subscriber.end().is_some_and(SubscriptionEnd::drops_the_rest)
    }

    fn has_ended(&self) -> bool {
        self.end().is_some_and(SubscriptionEnd::drops_the_rest)
    }

    fn on_silence(&self) {
        // The code of the stream may wait for something else than the subscription. The stream is
        // polled again after its heartbeat, and finds that it has ended.
        let is_open = self.end().is_none();
        if is_open && self.hub.upgrade().is_some_and(|hub| hub.is_lost_for_too_long()) {
            self.close(SubscriptionEnd::NodeLost);
        }
    }

    fn ends_with_farewell(&self) -> bool {
        self.subscriber.end().is_some_and(SubscriptionEnd::has_farewell)
    }
}

impl fmt::Debug for EndWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndWatch").field("end", &self.subscriber.end()).finish_non_exhaustive()
    }
}

impl<S: SseSource> Sse<S> {
    /// Ends this stream as soon as a subscription has ended that your code reads in it.
    ///
    /// A subscription that you pass to [`Sse::new`] itself needs no watch. In a stream of your own
    /// the body cannot see the subscription. Without a watch, such a stream ends when its code
    /// reads the end, and no server runs this code while the client reads nothing.
    ///
    /// The stream then ends as that of the subscription itself does:
    ///
    /// - If the subscription is [too slow](crate::hub::Policy::Close) or its
    ///   [identity was closed](crate::hub::Hub::close_identity), the body
    ///   [has ended](http_body::Body::is_end_stream), polled or not. The code of the stream is not
    ///   run again, so do not rely on what comes after its loop. What it has read and not sent yet
    ///   is not sent. A client that resumes gets that again, if your messages keep the IDs of the
    ///   deliveries. A message without an ID is lost.
    /// - If the hub is closed, your code reads to the end. The stream then says farewell.
    /// - If your code waits for something else than the subscription, and so does not notice the
    ///   end, the stream ends at its next heartbeat.
    ///
    /// The [reason](crate::stream::close::StreamEnd::reason) is
    /// [`Finished`](crate::stream::close::EndReason::Finished). The watch says
    /// [more](EndWatch::end).
    ///
    /// For a stream of several subscriptions, call this once for each. The stream ends with the
    /// first one that ends. A subscription that is dropped while it is open does not end the
    /// stream.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use volga_sse::{Sse, hub::{Delivery, Hub, Policy}};
    ///
    /// # fn main() -> Result<(), volga_sse::hub::SubscribeError> {
    /// let hub = Hub::new();
    /// let orders = hub.subscribe("orders.*").policy(Policy::close()).open()?;
    /// let end = orders.watch_end();
    /// let stream = orders.deliveries().map(Delivery::encode);
    /// let response = Sse::new(stream).end_with(end).into_response();
    /// # assert_eq!(response.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub fn end_with(mut self, watch: EndWatch) -> Self {
        self.settings().inner_sources.push(Box::new(watch));
        self
    }
}

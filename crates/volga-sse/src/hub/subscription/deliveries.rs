//! A subscription as a `Stream`.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::hub::subscription::Subscription;
use crate::hub::subscription::delivery::Delivery;

impl Subscription {
    /// Turns the subscription into a `Stream` of its deliveries, for adapters such as `map` and
    /// `filter`.
    ///
    /// [`Sse`](crate::stream::response::Sse) takes such a stream as well, but then every message is
    /// read from the log and copied into a frame once for each client. If all clients get the same
    /// change, change the message before you publish it.
    ///
    /// The body cannot see the subscription in the stream. To end the stream together with the
    /// subscription, also while the client reads nothing, see
    /// [`Sse::end_with`](crate::stream::response::Sse::end_with).
    ///
    /// ```
    /// use futures_util::{StreamExt, future::ready};
    /// use volga_sse::{Message, Sse, hub::{Delivery, Hub}};
    ///
    /// # fn main() -> Result<(), volga_sse::hub::SubscribeError> {
    /// let hub = Hub::new();
    /// let deliveries = hub.subscribe("orders.*").open()?.deliveries();
    /// let with_gaps_only = deliveries.filter(|next| ready(matches!(next, Delivery::Gap(_))));
    /// let response = Sse::new(with_gaps_only).into_response();
    /// # assert_eq!(response.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub fn deliveries(self) -> Deliveries {
        Deliveries::new(self)
    }
}

/// The deliveries of a subscription as a `Stream`, from [`Subscription::deliveries`].
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Deliveries {
    subscription: Subscription,
}

impl Deliveries {
    pub(crate) fn new(subscription: Subscription) -> Self {
        Self { subscription }
    }

    /// Returns the subscription, for its position and for why it ended.
    #[must_use]
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// Returns the subscription. It continues where this stream was read up to.
    pub fn into_subscription(self) -> Subscription {
        self.subscription
    }
}

impl Stream for Deliveries {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.subscription.poll_delivery(cx)
    }
}

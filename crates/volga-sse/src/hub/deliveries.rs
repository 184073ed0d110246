//! A subscription as an ordinary stream.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;

use super::{Delivery, Subscription};

/// What a subscription delivers, one by one, as a `Stream`; from [`Subscription::deliveries`].
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Deliveries {
    subscription: Subscription,
}

impl Deliveries {
    pub(crate) fn new(subscription: Subscription) -> Self {
        Self { subscription }
    }

    /// The subscription: its position, and why it ended.
    #[must_use]
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// The subscription, at the place up to which this stream was read.
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

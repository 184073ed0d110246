//! Streams that give all messages which are ready at once, already joined: a hub's subscriptions.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;

use crate::{body::BoxError, item::sealed::Piece};

/// What such a stream has next.
pub(crate) enum Ready<T> {
    One(T),
    /// So many messages, as the bytes of one frame.
    #[cfg_attr(not(feature = "hub"), expect(dead_code, reason = "only a hub has some"))]
    Run(Bytes, usize),
}

impl<T> From<T> for Ready<T> {
    fn from(item: T) -> Self {
        Self::One(item)
    }
}

/// Polls such a stream.
pub(crate) type PollReady<S> =
    fn(Pin<&mut S>, &mut Context<'_>) -> Poll<Option<Ready<Result<Piece, BoxError>>>>;

/// How to poll a stream for runs, if it has any.
///
/// A body takes any stream and must not ask for more than items in its signature, so it asks by type: a function on subscriptions is one on this stream just if
/// the stream is a subscription. The compiler knows the answer, and nothing is left of the question.
#[cfg(feature = "hub")]
pub(crate) fn poll_ready<S: 'static>() -> Option<PollReady<S>> {
    use std::any::Any;

    use crate::{hub::Subscription, item::sealed::IntoPiece};

    let poll: PollReady<Subscription> = |subscription, cx| {
        subscription.get_mut().poll_ready(cx).map(|ready| match ready? {
            Ready::One(delivery) => Some(Ready::One(delivery.into_piece())),
            Ready::Run(bytes, messages) => Some(Ready::Run(bytes, messages)),
        })
    };
    (&poll as &dyn Any).downcast_ref().copied()
}

#[cfg(not(feature = "hub"))]
pub(crate) fn poll_ready<S>() -> Option<PollReady<S>> {
    None
}

#[cfg(all(test, feature = "hub"))]
mod tests {
    use super::*;
    use crate::hub::{Delivery, Subscription};

    #[test]
    fn a_subscription_has_runs_and_no_other_stream_of_deliveries_has() {
        assert!(poll_ready::<Subscription>().is_some());
        assert!(poll_ready::<futures_util::stream::Pending<Delivery>>().is_none());
        assert!(poll_ready::<Pin<Box<Subscription>>>().is_none());
    }
}

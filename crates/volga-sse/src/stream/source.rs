//! What an event stream takes its messages from: one trait, whose implementations fill frames.

use futures_core::Stream;

use crate::stream::item::SseItem;

/// A source of messages for an event stream: any `Stream` of [items](SseItem), or a hub's
/// `Subscription`.
///
/// A `Stream` is read item by item. A `Subscription` is not a `Stream`, because it has a cheaper
/// way: subscribers of one topic that miss the same messages share one frame, which is joined once.
/// To filter or change what a subscription delivers, turn it into a stream first, by
/// `Subscription::deliveries`; that is also the point from which on each message is copied for each
/// client.
///
/// The trait is sealed: a source of your own is a `Stream`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no source of messages for an event stream",
    note = "a source is a `Stream` of `Message`, `EncodedMessage`, a hub's `Delivery`, or a `Result` of one; or a hub's `Subscription`"
)]
pub trait SseSource: sealed::FillFrame {}

impl<S: Stream<Item: SseItem>> SseSource for S {}

pub(crate) mod sealed {
    use std::{
        pin::Pin,
        task::{Context, Poll},
    };

    use futures_core::Stream;

    use crate::stream::body::BoxError;
    use crate::stream::frame::Frame;
    use crate::stream::item::SseItem;
    use crate::stream::item::sealed::IntoPiece;

    /// Why a source puts no more into a frame.
    #[derive(Debug)]
    pub enum Filled {
        /// No further message is ready. The task is woken when one is.
        Pending,
        /// The frame takes no further message. The source may have more.
        Full,
        /// There are no further messages.
        Finished,
    }

    /// Public for the compiler, since it is a supertrait of a public trait; out of reach for
    /// everybody else.
    pub trait FillFrame {
        /// Puts messages that are ready into the frame, until it is full.
        ///
        /// After an error the frame still has what was put there before it.
        #[expect(private_interfaces, reason = "the trait cannot be named outside of the crate")]
        fn fill(
            self: Pin<&mut Self>,
            frame: &mut Frame,
            cx: &mut Context<'_>,
        ) -> Result<Filled, BoxError>;
    }

    impl<S: Stream<Item: SseItem>> FillFrame for S {
        #[expect(private_interfaces, reason = "the trait cannot be named outside of the crate")]
        fn fill(
            mut self: Pin<&mut Self>,
            frame: &mut Frame,
            cx: &mut Context<'_>,
        ) -> Result<Filled, BoxError> {
            while !frame.is_full() {
                match self.as_mut().poll_next(cx) {
                    Poll::Pending => return Ok(Filled::Pending),
                    Poll::Ready(None) => return Ok(Filled::Finished),
                    Poll::Ready(Some(item)) => frame.push(item.into_piece()?)?,
                }
            }
            Ok(Filled::Full)
        }
    }
}

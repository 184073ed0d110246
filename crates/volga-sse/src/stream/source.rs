//! The source of an event stream's messages: one trait, whose implementations fill frames.

use futures_core::Stream;

use crate::stream::item::SseItem;

/// A source of messages for an event stream: any `Stream` of [items](SseItem), or a hub's
/// `Subscription`.
///
/// A `Stream` is read item by item. A `Subscription` is not a `Stream`, because there is a cheaper
/// way: subscribers of one topic that are missing the same messages share one frame, which is
/// joined once. To filter or change the messages of a subscription, turn it into a stream with
/// `Subscription::deliveries` first. From there on, each message is copied for each client.
///
/// The trait is sealed. To make a source of your own, implement `Stream`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source of messages for an event stream",
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

    use crate::box_error::BoxError;
    use crate::stream::frame::Frame;
    use crate::stream::item::SseItem;
    use crate::stream::item::sealed::IntoPiece;

    /// Why a source adds no more messages to a frame.
    #[derive(Debug)]
    pub enum FillOutcome {
        /// No further message is ready. The task is woken when one is.
        Pending,
        /// The frame takes no further message. The source may have more.
        Full,
        /// There are no further messages.
        Finished,
    }

    /// Public for the compiler, because it is a supertrait of a public trait. Users cannot name it.
    pub trait FillFrame {
        /// Adds messages that are ready to the frame, until it is full.
        ///
        /// After an error, the frame still has the messages that were added before it.
        #[expect(private_interfaces, reason = "the trait cannot be named outside of the crate")]
        fn fill(
            self: Pin<&mut Self>,
            frame: &mut Frame,
            cx: &mut Context<'_>,
        ) -> Result<FillOutcome, BoxError>;

        /// Called once when the stream is to end, before the last messages are taken.
        fn begin_close(self: Pin<&mut Self>) {}

        /// Called at each heartbeat.
        fn on_silence(self: Pin<&mut Self>) {}

        /// Whether the source has ended with nothing left to send. A server may ask this of a
        /// stream that it does not poll, because the client reads nothing.
        fn has_ended(&self) -> bool {
            false
        }

        /// Whether a stream whose source has finished says farewell.
        fn ends_with_farewell(self: Pin<&mut Self>) -> bool {
            false
        }

        /// Whether every client gets what was not sent when it resumes. If not, a stream that ends
        /// with messages unsent must not look complete.
        fn is_resumable(self: Pin<&mut Self>) -> bool {
            false
        }
    }

    impl<S: Stream<Item: SseItem>> FillFrame for S {
        #[expect(private_interfaces, reason = "the trait cannot be named outside of the crate")]
        fn fill(
            mut self: Pin<&mut Self>,
            frame: &mut Frame,
            cx: &mut Context<'_>,
        ) -> Result<FillOutcome, BoxError> {
            while !frame.is_full() {
                match self.as_mut().poll_next(cx) {
                    Poll::Pending => return Ok(FillOutcome::Pending),
                    Poll::Ready(None) => return Ok(FillOutcome::Finished),
                    Poll::Ready(Some(item)) => frame.push(item.into_piece()?)?,
                }
            }
            Ok(FillOutcome::Full)
        }
    }
}

//! A subscription as the source of an event stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::box_error::BoxError;
use crate::hub::subscription::{ReadyDelivery, Subscription};
use crate::hub::topic::subscriber::SubscriptionEnd;
use crate::stream::frame::Frame;
use crate::stream::item::sealed::IntoPiece;
use crate::stream::source::SseSource;
use crate::stream::source::sealed::{FillFrame, FillOutcome};

impl SseSource for Subscription {}

impl FillFrame for Subscription {
    #[expect(private_interfaces, reason = "the trait cannot be named outside of the crate")]
    fn fill(
        self: Pin<&mut Self>,
        frame: &mut Frame,
        cx: &mut Context<'_>,
    ) -> Result<FillOutcome, BoxError> {
        let this = self.get_mut();
        // A joined frame is used only for an empty frame. Appended to messages that are already
        // there, it could exceed the bounds of a frame.
        if frame.is_empty() {
            match this.poll_ready(cx) {
                Poll::Pending => return Ok(FillOutcome::Pending),
                Poll::Ready(None) => return Ok(FillOutcome::Finished),
                Poll::Ready(Some(ReadyDelivery::Joined(joined))) => {
                    frame.push_joined(joined.bytes, joined.messages);
                    return Ok(FillOutcome::Full);
                }
                Poll::Ready(Some(ReadyDelivery::Single(delivery))) => {
                    frame.push(delivery.into_piece()?)?
                }
            }
        }
        while !frame.is_full() {
            match this.poll_delivery(cx) {
                Poll::Pending => return Ok(FillOutcome::Pending),
                Poll::Ready(None) => return Ok(FillOutcome::Finished),
                Poll::Ready(Some(delivery)) => frame.push(delivery.into_piece()?)?,
            }
        }
        Ok(FillOutcome::Full)
    }

    fn begin_close(self: Pin<&mut Self>) {
        // What waits for the pace is ready, and nothing comes after it.
        if let Some(extras) = &mut self.get_mut().extras {
            extras.pacer = None;
        }
    }

    fn on_silence(self: Pin<&mut Self>) {
        self.hub.sweep_in_silence();
        if self.hub.is_lost_for_too_long() {
            // The stream is polled again after its heartbeat, and finds that it has ended.
            drop(self.subscriber.close(SubscriptionEnd::NodeLost));
        }
    }

    fn has_ended(&self) -> bool {
        self.end().is_some_and(SubscriptionEnd::drops_the_rest)
    }

    fn ends_with_farewell(self: Pin<&mut Self>) -> bool {
        self.subscriber.end().is_some_and(SubscriptionEnd::has_farewell)
    }

    fn is_resumable(self: Pin<&mut Self>) -> bool {
        true
    }
}

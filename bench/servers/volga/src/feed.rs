//! The one broadcast topic: a channel of messages that are encoded once.

use bench_common::CHANNEL;
use futures_util::Stream;
use tokio::sync::broadcast;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};
use volga::http::sse::{EncodedMessage, Message};

#[derive(Clone)]
pub(crate) struct Feed(broadcast::Sender<EncodedMessage>);

impl Feed {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(CHANNEL))
    }

    pub(crate) fn publish(&self, data: String) {
        let message = Message::new().data(data).encode().expect("text is always good data");
        // An error says that nobody listens, which is no fault.
        let _ = self.0.send(message);
    }

    pub(crate) fn subscribe(
        &self,
    ) -> impl Stream<Item = Result<EncodedMessage, BroadcastStreamRecvError>> + use<> {
        BroadcastStream::new(self.0.subscribe())
    }
}

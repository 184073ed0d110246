//! A producer that the test controls, and clients that record what they read.

use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt, stream};
use http::HeaderMap;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use volga_sse::{
    AttachOutcome, BoxError, Decoder, LastEventId, Message, Replies, ReplyMessages, ReplyToken,
};

pub(super) type Item = Result<Message, BoxError>;

/// A producer that yields what the test sends, and ends when the sender is dropped. The sender's
/// `closed` is ready when the producer was dropped.
pub(super) fn by_hand() -> (UnboundedSender<Item>, impl Stream<Item = Item> + Send + use<>) {
    let (sender, receiver) = unbounded_channel();
    let next = |mut receiver: UnboundedReceiver<Item>| async {
        receiver.recv().await.map(|item| (item, receiver))
    };
    (sender, stream::unfold(receiver, next))
}

pub(super) fn text(text: impl AsRef<str>) -> Item {
    Ok(Message::new().data(text))
}

/// A producer of these texts that ends at once.
pub(super) fn texts<const N: usize>(
    texts: [&'static str; N],
) -> impl Stream<Item = Item> + Send + use<N> {
    stream::iter(texts).map(text)
}

/// Lets every task run until it waits. It needs a paused clock.
pub(super) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

pub(super) fn last_event_id(id: &str) -> Option<LastEventId> {
    let mut headers = HeaderMap::new();
    headers.insert("last-event-id", id.parse().expect("a header value"));
    LastEventId::from_headers(&headers).expect("an event ID")
}

/// Attaches a client at the start of the reply.
#[track_caller]
pub(super) fn attach(replies: &Replies, token: ReplyToken) -> Reader {
    Reader::new(replies.claim(token.as_str()).attach().expect("the reply"))
}

/// Attaches a client that has read up to this ID.
#[track_caller]
pub(super) fn resume(replies: &Replies, token: ReplyToken, id: &str) -> Reader {
    Reader::new(
        replies.claim(token.as_str()).resume(last_event_id(id)).attach().expect("the reply"),
    )
}

/// A client, and the ID that it saw last.
pub(super) struct Reader {
    messages: ReplyMessages,
    decoder: Decoder,
    pub(super) last_id: String,
}

impl Reader {
    #[track_caller]
    pub(super) fn new(attached: AttachOutcome) -> Self {
        match attached {
            AttachOutcome::Open(attachment) => Self {
                messages: attachment.messages(),
                decoder: Decoder::new(),
                last_id: String::new(),
            },
            AttachOutcome::Ended(outcome) => panic!("the reply is over: {outcome:?}"),
        }
    }

    /// The text of the next event; `None` at the proper end.
    pub(super) async fn next(&mut self) -> Option<Result<String, String>> {
        loop {
            match self.messages.next().await? {
                Ok(message) => {
                    if let Some(text) = self.decode(message.as_bytes()) {
                        return Some(Ok(text));
                    }
                }
                Err(error) => return Some(Err(error.to_string())),
            }
        }
    }

    fn decode(&mut self, bytes: &[u8]) -> Option<String> {
        let event = self.decoder.feed(bytes).expect("whole fields").pop()?;
        event.id().clone_into(&mut self.last_id);
        Some(event.data().to_owned())
    }

    /// The events that are ready without waiting.
    pub(super) fn ready(&mut self) -> Vec<Result<String, String>> {
        std::iter::from_fn(|| self.next().now_or_never().flatten()).collect()
    }

    /// Everything to the end, in one text, with the error in brackets.
    pub(super) async fn rest(mut self) -> String {
        let mut whole = Vec::new();
        while let Some(item) = self.next().await {
            whole.push(item.unwrap_or_else(|error| format!("[{error}]")));
        }
        whole.join(" ")
    }
}

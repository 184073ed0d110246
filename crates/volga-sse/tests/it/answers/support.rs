//! A producer by hand, and clients that say what they read.

use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt, stream};
use http::HeaderMap;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use volga_sse::{
    AnswerMessages, Answers, Attached, BoxError, Decoder, LastEventId, Message, Token,
};

pub(super) type Item = Result<Message, BoxError>;

/// A producer that sends what it is told, and ends when the sender is dropped. The sender's `closed` tells when the producer is gone.
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

/// Lets every task run until it waits; with a paused clock only.
pub(super) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

pub(super) fn last_event_id(id: &str) -> Option<LastEventId> {
    let mut headers = HeaderMap::new();
    headers.insert("last-event-id", id.parse().expect("a header value"));
    LastEventId::from_headers(&headers).expect("an event ID")
}

/// A client of the answer, from its start.
#[track_caller]
pub(super) fn attach(answers: &Answers, token: Token) -> Reader {
    Reader::new(answers.claim(token.as_str()).attach().expect("the answer"))
}

/// A client that came back after this ID.
#[track_caller]
pub(super) fn resume(answers: &Answers, token: Token, id: &str) -> Reader {
    Reader::new(
        answers.claim(token.as_str()).resume(last_event_id(id)).attach().expect("the answer"),
    )
}

/// A client, and the ID that it saw last.
pub(super) struct Reader {
    messages: AnswerMessages,
    decoder: Decoder,
    pub(super) last_id: String,
}

impl Reader {
    #[track_caller]
    pub(super) fn new(attached: Attached) -> Self {
        match attached {
            Attached::Open(attachment) => Self {
                messages: attachment.messages(),
                decoder: Decoder::new(),
                last_id: String::new(),
            },
            Attached::Over(outcome) => panic!("the answer is over: {outcome:?}"),
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

    /// What is there without waiting, events only.
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

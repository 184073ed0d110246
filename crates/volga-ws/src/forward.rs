//! Forwards the messages of a hub's subscription.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use volga_sse::hub::{Delivery, Subscription, SubscriptionEnd};
use volga_sse::{Decoder, Event};

use crate::message::{Message, Utf8Bytes};
use crate::shared_texts::shared_text;
use crate::socket::WebSocketSink;

/// How often it is checked whether the subscription of a client that accepts nothing has ended.
const STALL_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Why [`forward`] has returned.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ForwardEnd {
    /// The WebSocket has ended.
    SocketClosed,
    /// The subscription has ended.
    SubscriptionEnded(Option<SubscriptionEnd>),
}

/// Sends the messages of a subscription, each as an [envelope], until the subscription or the
/// WebSocket ends.
///
/// A client that reads slowly holds back only its own subscription. When the hub no longer has what
/// such a client has not read, the client gets a gap. With
/// [`Policy::Close`](volga_sse::hub::Policy::Close) the subscription ends before that, also while
/// the client reads nothing.
///
/// At each [ping interval](crate::WebSocketSettings::ping_interval) of a WebSocket that is open,
/// the hub drops what has expired, as it does at the heartbeats of an event stream.
///
/// # Cancel safety
///
/// If the future is dropped, the message that waits to be sent may be lost.
///
/// [envelope]: crate::envelope
pub async fn forward(socket: &mut WebSocketSink, subscription: &mut Subscription) -> ForwardEnd {
    loop {
        let delivery = {
            let mut closed = pin!(socket.closed());
            let mut next = pin!(subscription.next());
            poll_fn(|cx| {
                // Sending notices the end of the socket by itself.
                if let Poll::Ready(delivery) = next.as_mut().poll(cx) {
                    return Poll::Ready(Ok(delivery));
                }
                closed.as_mut().poll(cx).map(|_| Err(ForwardEnd::SocketClosed))
            })
            .await
        };
        match delivery {
            Err(end) => return end,
            Ok(None) => return ForwardEnd::SubscriptionEnded(subscription.end()),
            Ok(Some(delivery)) => {
                if let Err(end) = send(socket, subscription, envelope(delivery)).await {
                    return end;
                }
            }
        }
    }
}

/// Sends a message, unless the subscription ends while the client accepts nothing.
async fn send(
    socket: &mut WebSocketSink,
    subscription: &mut Subscription,
    text: Utf8Bytes,
) -> Result<(), ForwardEnd> {
    let mut sending = pin!(socket.send(text));
    if let Poll::Ready(sent) = poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx))).await {
        return sent.map_err(|_| ForwardEnd::SocketClosed);
    }
    // In a box, because most clients never need it, and a WebSocket may be open for hours.
    Box::pin(async move {
        let mut timer = pin!(sleep(STALL_CHECK_INTERVAL));
        poll_fn(move |cx| {
            if let Poll::Ready(sent) = sending.as_mut().poll(cx) {
                return Poll::Ready(sent.map_err(|_| ForwardEnd::SocketClosed));
            }
            while timer.as_mut().poll(cx).is_ready() {
                let end = subscription.end();
                // A subscription to a closed hub still has messages for the client.
                if let Some(SubscriptionEnd::TooSlow | SubscriptionEnd::IdentityClosed) = end {
                    return Poll::Ready(Err(ForwardEnd::SubscriptionEnded(end)));
                }
                timer.as_mut().reset(Instant::now() + STALL_CHECK_INTERVAL);
            }
            Poll::Pending
        })
        .await
    })
    .await
}

/// Encodes what a subscription delivers as the text of a WebSocket message: a JSON object with the
/// fields of the event.
///
/// ```json
/// {"id":"2a-5","event":"draw","data":"{\"x\":1}"}
/// ```
///
/// `event` is missing for a message without a name, and `data` for a message that has only an ID. A
/// gap is an event like in an event stream: `{"id":"2a-13","event":"gap","data":"…"}`. The client
/// keeps the last ID, and sends it when it returns: in the URL, as `?lastEventId=2a-5`, or in its
/// [first message](read_resume).
///
/// A message is encoded once, and all its readers get the same bytes, whatever their threads are. A
/// reader that is more than 256 messages behind the first one may have it encoded again.
#[must_use]
pub fn envelope(delivery: Delivery) -> Utf8Bytes {
    match delivery {
        Delivery::Message(message) => shared_text(message.into_bytes(), encode),
        // Each reader has gaps of its own.
        Delivery::Gap(gap) => match gap.to_message().encode() {
            Ok(message) => encode(message.as_bytes()),
            Err(_) => Utf8Bytes::default(),
        },
    }
}

/// The event that a client of an event stream would get from these bytes.
fn encode(bytes: &[u8]) -> Utf8Bytes {
    let mut decoder = Decoder::new().with_max_event(usize::MAX).with_max_line(usize::MAX);
    let event = decoder.feed(bytes).ok().and_then(|events| events.into_iter().next());
    let id = Some(decoder.last_event_id()).filter(|id| !id.is_empty());
    // `message` is the name of an event without a name.
    let name = event.as_ref().map(Event::event).filter(|name| *name != "message");
    let data = event.as_ref().map(Event::data);
    let mut text = String::with_capacity(bytes.len() + 32);
    for (field, value) in [("id", id), ("event", name), ("data", data)] {
        // A text can always be written as JSON.
        let value = value.and_then(|value| serde_json::to_string(value).ok());
        if let Some(value) = value {
            text.push(if text.is_empty() { '{' } else { ',' });
            text.push('"');
            text.push_str(field);
            text.push_str("\":");
            text.push_str(&value);
        }
    }
    text.push_str(if text.is_empty() { "{}" } else { "}" });
    text.into()
}

/// Reads the ID from which a returning client resumes out of its first message:
/// `{"lastEventId":"2a-5"}`. `None` if the message has no ID, or `null`: the client is new. An ID
/// that is no text cannot be read. A hub gets the replacement character U+FFFD in its place, and
/// tells the client of a gap.
///
/// ```
/// use volga_ws::{Message, read_resume};
///
/// assert_eq!(read_resume(&Message::from(r#"{"lastEventId":"2a-5"}"#)).as_deref(), Some("2a-5"));
/// assert_eq!(read_resume(&Message::from("{}")), None);
/// assert!(read_resume(&Message::from(r#"{"lastEventId":5}"#)).is_some());
/// ```
#[must_use]
pub fn read_resume(message: &Message) -> Option<String> {
    let first: serde_json::Value = serde_json::from_slice(message.as_bytes()).ok()?;
    match first.get("lastEventId")? {
        serde_json::Value::Null => None,
        serde_json::Value::String(id) => Some(id.clone()),
        // A client that is not new must not silently miss anything.
        _ => Some(char::REPLACEMENT_CHARACTER.into()),
    }
}

#[cfg(test)]
mod tests {
    use volga_sse::Message as SseMessage;
    use volga_sse::hub::Hub;

    use super::*;

    #[tokio::test]
    async fn an_id_in_the_first_message_that_cannot_be_read_is_a_gap() {
        let hub = Hub::new();
        let first = hub.publish("news", SseMessage::new().data("1")).unwrap();
        hub.publish("news", SseMessage::new().data("2")).unwrap();
        let long = format!("\"{}\"", "x".repeat(5_000));
        let known = format!("\"{first}\"");
        for (id, expect) in [
            (&*known, Some("2")),
            ("null", None),
            ("\"\"", None),
            ("5", Some("gap")),
            ("5.5", Some("gap")),
            ("true", Some("gap")),
            ("[\"a\"]", Some("gap")),
            ("{}", Some("gap")),
            ("\"\\u0000\"", Some("gap")),
            ("\" a\\n\"", Some("gap")),
            ("\"é €\"", Some("gap")),
            ("\"\\ufffd\"", Some("gap")),
            (&long, Some("gap")),
        ] {
            let message = Message::from(format!("{{\"lastEventId\":{id}}}"));
            let subscribe = hub.subscribe("news").without_first_id();
            let mut reader = subscribe.resume(read_resume(&message)).open().unwrap();
            hub.close();
            let received = reader.next().await.map(|delivery| {
                let event: serde_json::Value = serde_json::from_str(&envelope(delivery)).unwrap();
                event.get("event").or(event.get("data")).unwrap().as_str().unwrap().to_owned()
            });
            assert_eq!(received.as_deref(), expect, "{id}");
        }
    }

    #[tokio::test]
    async fn an_envelope_has_the_fields_of_the_event_and_is_encoded_once() {
        let hub = Hub::new();
        let open = || hub.subscribe("news").without_first_id().open().unwrap();
        let (mut first, mut second) = (open(), open());
        hub.publish("news", SseMessage::new().event("tick").data("a \"quoted\"\nline")).unwrap();
        let text = envelope(first.next().await.unwrap());
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["event"], "tick");
        assert_eq!(value["data"], "a \"quoted\"\nline");
        assert_eq!(value["id"], first.position().to_string());
        let same = envelope(second.next().await.unwrap());
        assert_eq!(same.as_ptr(), text.as_ptr());
        hub.publish("news", SseMessage::new().data("again")).unwrap();
        let next = envelope(first.next().await.unwrap());
        assert!(next.contains(r#""data":"again""#) && !next.contains("event"), "{next}");
    }

    #[tokio::test]
    async fn a_gap_has_the_name_that_was_set_and_no_other_message_can_have_it() {
        for (name, other) in [("gap", "missed"), ("missed", "gap")] {
            let hub = Hub::builder().max_messages(1).gap_event(name).unwrap().build();
            let message = |name| SseMessage::new().event(name).data("x");
            let first = hub.publish("news", message(other)).unwrap();
            assert!(hub.publish("news", message(name)).is_err());
            (0..2).for_each(|_| _ = hub.publish("news", message(other)).unwrap());
            let mut late = hub.subscribe("news").resume(first).open().unwrap();
            for expect in [name, other] {
                let text = envelope(late.next().await.unwrap());
                let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(value["event"], expect, "{text}");
            }
        }
    }
}

//! The name of the gap event is reserved: no producer can forge the event.

use futures_util::{FutureExt, Stream, StreamExt, stream};
use proptest::{prelude::*, sample::select};
use volga_sse::{
    AbandonPolicy, AttachOutcome, BoxError, EncodeError, EncodedMessage, Message, Replies,
    ReplyError, SseItem,
    hub::{Delivery, Hub},
};

use super::support::*;

/// Sets the fields of a message in this order.
fn message(order: usize, name: &str, data: &str) -> Message {
    let message = Message::new().comment("event: gap");
    match order {
        0 => message.event(name).data(data),
        1 => message.data(data).event(name),
        2 => message.event("other").data(data).event(name).append(data),
        3 => message.id("event: gap").data(data).event(name).data("short"),
        _ => message.event(name),
    }
}

/// Starts a reply in each way that there is, and returns how each one ended.
async fn outcomes<S>(replies: &Replies, stream: impl Fn() -> S) -> Vec<Result<(), ReplyError>>
where
    S: Stream<Item: SseItem> + Send + 'static,
{
    let policy = AbandonPolicy::KeepRunning;
    let tokens = [
        replies.start(stream()).expect("room"),
        replies.new_reply().owner(None).abandon_policy(policy).start(stream()).expect("room"),
    ];
    let mut outcomes = Vec::new();
    for token in tokens {
        outcomes.push(match replies.claim(token.as_str()).attach().expect("the reply") {
            AttachOutcome::Open(client) => {
                let items: Vec<_> = client.messages().collect().await;
                items.into_iter().try_for_each(|item| item.map(drop))
            }
            // It has ended before its first event.
            AttachOutcome::Ended(outcome) => outcome,
        });
    }
    outcomes
}

/// A subscription of a hub whose first delivery is a gap with an event of this name.
fn gap_of_a_hub(name: &'static str) -> Delivery {
    let hub = Hub::builder().max_messages(1).gap_event(name).expect("a name").build();
    let first = hub.publish("a", Message::new().data("1")).expect("published");
    (0..2).for_each(|_| _ = hub.publish("a", Message::new().data("2")).expect("published"));
    let mut reader = hub.subscribe("a").resume(first).open().expect("a subscription");
    reader.next().now_or_never().flatten().expect("a gap")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_event_with_the_name_of_the_gap_event_ends_the_reply(
        reserved in select(vec!["gap", "missed", "é", "event: gap"]),
        name in select(vec!["gap", "missed", "gap ", " gap", "Gap", "é", "event: gap", "ga"]),
        data in select(vec!["", "event: gap", "a\nevent: gap\nevent: missed", "gap"]),
        order in 0..5_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let results = runtime.block_on(async {
            let replies = Replies::builder().gap_event(reserved).expect("a name").build();
            let plain = || message(order, name, data);
            let encoded = || plain().encode().expect("valid fields");
            let mut results = Vec::new();
            // Each kind of item that a stream of messages may have.
            results.extend(outcomes(&replies, || stream::iter([plain()])).await);
            results.extend(outcomes(&replies, || stream::iter([encoded()])).await);
            let item = || Ok::<Message, BoxError>(plain());
            results.extend(outcomes(&replies, || stream::iter([item()])).await);
            let item = || Ok::<EncodedMessage, BoxError>(encoded());
            results.extend(outcomes(&replies, || stream::iter([item()])).await);
            let item = || gap_of_a_hub(name);
            results.extend(outcomes(&replies, || stream::iter([item()])).await);
            let other = Replies::builder().gap_event("other").expect("a name").build();
            let relayed = || {
                let token = other.start(stream::iter([plain()])).expect("room");
                let attached = other.claim(token.as_str()).attach().expect("the reply");
                let AttachOutcome::Open(client) = attached else { panic!("{attached:?}") };
                client.messages()
            };
            results.extend(outcomes(&replies, relayed).await);
            // Without the name, any data may be sent.
            let text = || stream::iter([Message::new().data(data)]);
            prop_assert!(outcomes(&replies, text).await.iter().all(Result::is_ok));
            Ok(results)
        })?;
        for result in results {
            match result {
                Ok(()) => prop_assert_ne!(name, reserved),
                Err(ReplyError::ReservedEvent { name: refused }) => {
                    prop_assert_eq!((name, refused), (reserved, reserved));
                }
                // The error of the reply from which the messages were relayed would be one too.
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test]
async fn the_messages_before_a_reserved_event_arrive_and_the_error_says_what_to_do() {
    let replies = Replies::new();
    let items = ["a", "gap", "b"].map(|name| Message::new().event(name).data(name));
    let token = replies.start(stream::iter(items)).unwrap();
    let error = "the event name `gap` is reserved for the gap event of replies; use another name, \
                 or set another one with `RepliesBuilder::gap_event`";
    let mut client = attach(&replies, token);
    assert_eq!(client.next().await, Some(Ok("a".to_owned())));
    let last = client.last_id.clone();
    assert_eq!(client.rest().await, format!("[{error}]"));
    let over = replies.claim(token.as_str()).resume(last_event_id(&last)).attach().unwrap();
    let AttachOutcome::Ended(Err(ended)) = over else { panic!("{over:?}") };
    assert_eq!((ended.to_string().as_str(), ended.status().as_u16()), (error, 500));
}

#[tokio::test]
async fn a_gap_is_told_by_the_name_that_was_set() {
    let replies = Replies::builder().gap_event("missed").unwrap().build();
    let token = replies.start(stream::iter([Message::new().event("gap").data("a")])).unwrap();
    let claim = replies.claim(token.as_str()).resume(last_event_id("unknown"));
    let AttachOutcome::Open(client) = claim.attach().unwrap() else { panic!("it is unread") };
    let items: Vec<_> = client.messages().map(|item| item.unwrap().into_bytes()).collect().await;
    assert!(items[0].starts_with(b"event: missed\ndata: {\"after\":null"), "{items:?}");
    assert!(items[1].starts_with(b"event: gap\ndata: a\n"), "{items:?}");
}

#[test]
fn a_name_that_a_page_cannot_tell_apart_is_refused() {
    for name in ["message", "open", "error"] {
        let refused = Replies::builder().gap_event(name);
        assert!(
            matches!(refused, Err(EncodeError::EventSourceName { name: refused }) if refused == name)
        );
    }
    assert!(matches!(Replies::builder().gap_event(""), Err(EncodeError::EmptyEventName)));
    assert!(matches!(Replies::builder().gap_event("a\nb"), Err(EncodeError::LineBreak { .. })));
    assert!(Replies::builder().gap_event("errors").is_ok());
}

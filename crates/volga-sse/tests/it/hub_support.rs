//! What the tests of a hub share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Wake,
};

use futures_util::FutureExt;
use volga_sse::{
    EncodedMessage, Message, Position,
    hub::{Delivery, Hub, Subscription},
};

pub(crate) fn text(text: impl AsRef<str>) -> Message {
    Message::new().data(text)
}

/// Everything that is ready, as text: the data of messages, `after..through` for a gap with a `.`
/// if the gap has an ID, and `end` at the end. Messages that have only an ID are left out.
pub(crate) fn ready(subscription: &mut Subscription) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        match subscription.next().now_or_never() {
            None => return all,
            Some(None) => {
                all.push("end".to_owned());
                return all;
            }
            Some(Some(Delivery::Message(message))) => {
                let wire = std::str::from_utf8(message.as_bytes()).expect("valid");
                if is_id_only(&message) {
                    continue;
                }
                let (data, id) =
                    wire.strip_prefix("data: ").expect("valid").split_once('\n').expect("valid");
                // A value that comes again after a gap has no ID.
                if id == "\n" {
                    all.push(format!("{data} again"));
                    continue;
                }
                assert_eq!(id, format!("id: {}\n\n", message.position().expect("valid")));
                all.push(data.to_owned());
            }
            Some(Some(Delivery::Gap(gap))) => {
                let after =
                    gap.after().map_or_else(|| "?".to_owned(), |after| after.number().to_string());
                let event = gap.to_message().encode().expect("valid");
                let settled =
                    std::str::from_utf8(event.as_bytes()).expect("valid").contains("\nid: ");
                let mark = if settled { "." } else { "" };
                all.push(format!("{after}..{}{mark}", gap.through().number()));
            }
        }
    }
}

/// Whether this is the message that gives a new client an ID and nothing else.
pub(crate) fn is_id_only(message: &EncodedMessage) -> bool {
    let position = message.position().expect("of a hub");
    message.as_bytes() == format!("id: {position}\n\n").as_bytes()
}

pub(crate) fn publish(hub: &Hub, topic: &str, texts: &[&str]) -> Position {
    let mut last = None;
    for data in texts {
        last = Some(hub.publish(topic, text(data)).expect("published"));
    }
    last.expect("a message")
}

#[derive(Default)]
pub(crate) struct Wakes(pub(crate) AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

//! The handler of the guide's page "A list and its changes", with a model of the client's page.
//!
//! The client may leave in the middle of an event, return, fall behind the log, or find a new hub.
//! Once it has read what is ready, it has the list of the store.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex},
};

use futures_util::{FutureExt, Stream, StreamExt};
use http_body_util::BodyExt;
use proptest::{collection::vec, prelude::*};
use volga_sse::{
    BoxError, Decoder, EncodedMessage, Event, Heartbeat, Message, Sse, SseBody,
    hub::{Delivery, Hub},
    sse_stream,
};

type List = BTreeMap<u8, u32>;
type Messages = Pin<Box<dyn Stream<Item = Result<EncodedMessage, BoxError>> + Send>>;

const TOPICS: [&str; 3] = ["tasks", "notes", "files"];

fn hub() -> Hub {
    Hub::builder().max_messages(4).build()
}

/// The handler of the page.
fn handler(
    topics: &'static [&'static str],
    last: Option<String>,
    hub: &Hub,
    store: &Arc<Mutex<List>>,
) -> Messages {
    let list = {
        let store = Arc::clone(store);
        move || Message::new().event("list").json(&*store.lock().expect("no panic"))
    };
    let is_new = last.is_none();
    let mut changes = hub.subscribe(topics).resume(last).without_first_id().open().expect("open");
    let messages = sse_stream! {
        if is_new {
            let at = changes.position();
            yield list().encode_at(at)?;
        }
        while let Some(delivery) = changes.next().await {
            yield match delivery {
                Delivery::Message(message) => message,
                Delivery::Gap(gap) => list().encode_at(gap.through())?,
            };
        }
    };
    messages.boxed()
}

/// A browser's page: it has a list, and returns with its last event ID.
struct Page {
    body: Pin<Box<SseBody<Messages>>>,
    decoder: Decoder,
    list: List,
}

impl Page {
    fn new(messages: Messages) -> Self {
        Self { body: connect(messages), decoder: Decoder::new(), list: List::new() }
    }

    /// Reads the next frame, or only a part of it. Returns false if nothing is ready.
    fn read(&mut self, part: f64) -> bool {
        let Some(frame) = self.body.frame().now_or_never() else { return false };
        let frame = frame.expect("no end").expect("no error").into_data().expect("data");
        let read = &frame[..(frame.len() as f64 * part) as usize];
        for event in self.decoder.feed(read).expect("within limits") {
            self.take(&event);
        }
        true
    }

    fn take(&mut self, event: &Event) {
        match event.event() {
            "list" => self.list = serde_json::from_str(event.data()).expect("a list"),
            "changed" => {
                let (id, text) = serde_json::from_str(event.data()).expect("a row");
                self.list.insert(id, text);
            }
            "removed" => _ = self.list.remove(&event.data().parse().expect("an ID")),
            other => panic!("{other}"),
        }
    }

    /// The ID that an `EventSource` sends when it returns.
    fn last_id(&self) -> Option<String> {
        Some(self.decoder.last_event_id()).filter(|id| !id.is_empty()).map(str::to_owned)
    }

    fn return_to(&mut self, messages: Messages) {
        self.decoder.restart();
        self.body = connect(messages);
    }
}

fn connect(messages: Messages) -> Pin<Box<SseBody<Messages>>> {
    let sse = Sse::new(messages).without_retry().heartbeat(Heartbeat::off());
    Box::pin(sse.into_response().into_body())
}

#[derive(Clone, Debug)]
enum Step {
    Set {
        topic: usize,
        id: u8,
    },
    Remove {
        topic: usize,
        id: u8,
    },
    /// More changes than the log holds.
    Burst {
        topic: usize,
    },
    Read,
    /// The connection breaks after a part of the next frame.
    Cut(f64),
    Reload,
    /// The hub is in memory, so it begins anew.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3_usize, 0..4_u8).prop_map(|(topic, id)| Step::Set { topic, id }),
        4 => (0..3_usize, 0..4_u8).prop_map(|(topic, id)| Step::Remove { topic, id }),
        2 => (0..3_usize).prop_map(|topic| Step::Burst { topic }),
        4 => Just(Step::Read),
        3 => (0.0..=1.0).prop_map(Step::Cut),
        1 => Just(Step::Reload),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_page_that_has_read_everything_has_the_list_of_the_store(
        count in 1..=3_usize,
        steps in vec(step(), 0..60),
    ) {
        let topics = &TOPICS[..count];
        let (mut hub, store) = (hub(), Arc::new(Mutex::new(List::new())));
        let mut value = 0;
        // A row belongs to one topic, and its key is the row.
        let mut change = |hub: &Hub, topic: usize, id: u8, is_set: bool| {
            let (topic, id) = (topic % count, id * 3 + (topic % count) as u8);
            value += 1;
            let mut list = store.lock().expect("no panic");
            let message = if is_set {
                list.insert(id, value);
                Message::new().event("changed").json((id, value))
            } else {
                list.remove(&id);
                Message::new().event("removed").data(id.to_string())
            };
            hub.publish(topics[topic], message).expect("published");
        };
        let mut page = Page::new(handler(topics, None, &hub, &store));
        for step in &steps {
            match *step {
                Step::Set { topic, id } => change(&hub, topic, id, true),
                Step::Remove { topic, id } => change(&hub, topic, id, false),
                Step::Burst { topic } => (0..6).for_each(|id| change(&hub, topic, id, id % 2 == 0)),
                Step::Read => _ = page.read(1.0),
                Step::Cut(part) => {
                    page.read(part);
                    page.return_to(handler(topics, page.last_id(), &hub, &store));
                }
                Step::Reload => page = Page::new(handler(topics, None, &hub, &store)),
                Step::Restart => {
                    hub = self::hub();
                    page.return_to(handler(topics, page.last_id(), &hub, &store));
                }
            }
        }
        while page.read(1.0) {}
        prop_assert_eq!(&page.list, &*store.lock().expect("no panic"));
    }
}

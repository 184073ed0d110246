//! An engine that says what a test wants it to say, and a node that follows it.

use std::{
    sync::{Arc, Mutex},
    task::Poll,
};

use futures_util::FutureExt;
use volga_sse::{
    Position,
    hub::{
        Append, Delivery, Feed, Hub, HubBuilder, Incoming, KeyChange, Receipt, Relay, RelayError,
        RelayFuture, RelayState, SendError, Subscription,
    },
};

pub(super) const EPOCH: u64 = 0x77;
pub(super) const HELD: usize = 16;

pub(crate) fn at(number: u64) -> Position {
    Position::new(EPOCH, number)
}

/// An engine that says what the test wants it to say.
#[derive(Clone, Default)]
pub(crate) struct Script(pub(crate) Arc<Mutex<ScriptState>>);

#[derive(Default)]
pub(crate) struct ScriptState {
    pub(crate) tail: Option<Position>,
    pub(super) tail_calls: usize,
    /// The engine does not answer.
    pub(super) is_silent: bool,
    pub(crate) appended: Vec<Append>,
    pub(super) answers: Vec<Result<Receipt, SendError>>,
}

impl Relay for Script {
    fn append(&self, batch: Vec<Append>) -> RelayFuture<Vec<Result<Receipt, SendError>>> {
        let mut state = self.0.lock().expect("no panic");
        state.appended.extend(batch);
        Box::pin(std::future::ready(std::mem::take(&mut state.answers)))
    }

    fn tail(&self) -> RelayFuture<Result<Position, RelayError>> {
        let script = self.clone();
        script.0.lock().expect("no panic").tail_calls += 1;
        Box::pin(std::future::poll_fn(move |cx| {
            let state = script.0.lock().expect("no panic");
            if state.is_silent {
                // It is asked again at once.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(state.tail.ok_or_else(|| RelayError::new("no engine")))
        }))
    }
}

pub(crate) struct Node {
    pub(crate) hub: Hub,
    pub(crate) feed: Feed,
    pub(crate) script: Script,
}

pub(crate) fn builder() -> HubBuilder {
    Hub::builder().max_reordered(HELD)
}

/// A node that is live, and has no messages up to a number.
pub(crate) fn node_of(builder: HubBuilder, after: u64) -> Node {
    let script = Script::default();
    let (hub, mut feed) = builder.build_shared(script.clone());
    feed.begin(EPOCH, None);
    if after > 0 {
        feed.lost(at(after), None);
    }
    feed.set_state(RelayState::Live);
    Node { hub, feed, script }
}

pub(super) fn node(after: u64) -> Node {
    node_of(builder(), after)
}

pub(super) fn payload(text: &str) -> Vec<u8> {
    format!("\x01data: {text}\n").into_bytes()
}

impl Node {
    pub(crate) fn put_in(&mut self, position: Position, topic: &str, key: KeyChange<'_>) {
        let payload = payload(&position.number().to_string());
        let topic = topic.as_bytes();
        let incoming = Incoming { position, after: None, at: None, topic, key, payload: &payload };
        self.feed.take([incoming]);
    }

    pub(super) fn put(&mut self, number: u64) {
        let topic = ["t.a", "t.b"][number as usize % 2];
        self.put_in(at(number), topic, KeyChange::None);
    }

    pub(super) fn take_foreign(&mut self, number: u64, topic: &[u8], payload: &[u8]) {
        let (position, key) = (at(number), KeyChange::None);
        self.feed.take([Incoming { position, after: None, at: None, topic, key, payload }]);
    }
}

/// Everything that is ready: a message as its position twice, and a gap as its two ends.
pub(super) fn positions(subscription: &mut Subscription) -> Vec<(Position, Position)> {
    let next = || subscription.next().now_or_never()?;
    let ends = |delivery| match delivery {
        // The message that gives a new client an ID and nothing else.
        Delivery::Message(message) if message.as_bytes().starts_with(b"id: ") => None,
        Delivery::Message(message) => {
            let position = message.position().expect("valid");
            Some((position, position))
        }
        Delivery::Gap(gap) => Some((gap.after().expect("known"), gap.through())),
    };
    std::iter::from_fn(next).filter_map(ends).collect()
}

/// The same with the numbers alone.
pub(super) fn ready(subscription: &mut Subscription) -> Vec<(u64, u64)> {
    let numbers = |(after, through): (Position, Position)| (after.number(), through.number());
    positions(subscription).into_iter().map(numbers).collect()
}

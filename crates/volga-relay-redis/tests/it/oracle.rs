//! Checks that a client has received each acknowledged message once, or a gap that covers it.

use std::collections::{BTreeMap, BTreeSet};

use volga_sse::Position;

/// Something that a client received, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Received {
    Message { position: Position, text: String },
    Gap { after: Option<Position>, through: Position },
}

/// The messages that the engine acknowledged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) acknowledged: BTreeMap<Position, String>,
    /// Those of them that the engine lost later.
    pub(crate) lost: BTreeSet<Position>,
}

impl Ledger {
    pub(crate) fn note(&mut self, position: Position, text: &str) {
        let earlier = self.acknowledged.insert(position, text.to_owned());
        assert_eq!(earlier, None, "{position} was given to two messages");
    }

    /// Checks what a client received that reads every topic, and that started after a position.
    #[track_caller]
    pub(crate) fn check(&self, start: Position, received: &[Received]) {
        let mut last = start;
        let mut messages = BTreeMap::new();
        for (index, item) in received.iter().enumerate() {
            if let Received::Message { position, text } = item {
                assert!(*position > last, "{position} came after {last}: {received:?}");
                last = *position;
                messages.insert(*position, (index, text));
                if let Some(sent) = self.acknowledged.get(position) {
                    assert_eq!(text, sent, "{position} is another message");
                }
            }
        }
        // Whether a gap after this index covers the position.
        let is_reported = |position: Position, from: usize| {
            received[from..].iter().any(|item| match item {
                Received::Gap { after, through } => {
                    after.is_none_or(|after| after < position) && position <= *through
                }
                Received::Message { .. } => false,
            })
        };
        for (&position, text) in self.acknowledged.range(start..) {
            if position == start {
                continue;
            }
            match (messages.get(&position), self.lost.contains(&position)) {
                (Some(_), false) | (None, true) => {}
                (Some((index, _)), true) => {
                    assert!(is_reported(position, *index), "{text} was not taken back");
                }
                (None, false) => assert!(is_reported(position, 0), "{text} is missing"),
            }
        }
    }
}

/// The number of gaps.
pub(crate) fn gaps(received: &[Received]) -> usize {
    received.iter().filter(|item| matches!(item, Received::Gap { .. })).count()
}

#[test]
fn the_oracle_finds_what_is_missing_doubled_or_not_taken_back() {
    let at = |number| Position::new(7, number);
    let message =
        |number: u64| Received::Message { position: at(number), text: number.to_string() };
    let gap =
        |after: u64, through: u64| Received::Gap { after: Some(at(after)), through: at(through) };
    let mut ledger = Ledger::default();
    (1..=3).for_each(|number| ledger.note(at(number), &number.to_string()));
    let mut lossy = ledger.clone();
    lossy.lost.insert(at(3));
    let passes = |ledger: &Ledger, received: &[Received]| {
        std::panic::catch_unwind(|| ledger.check(at(0), received)).is_ok()
    };
    assert!(passes(&ledger, &[message(1), message(2), message(3)]));
    assert!(passes(&ledger, &[message(1), gap(1, 2), message(3)]));
    assert!(!passes(&ledger, &[message(1), message(3)]));
    assert!(!passes(&ledger, &[message(1), message(2), message(2), message(3)]));
    assert!(!passes(&ledger, &[message(2), message(1), message(3)]));
    assert!(!passes(&lossy, &[message(1), message(2), message(3)]));
    assert!(passes(&lossy, &[message(1), message(2), message(3), gap(2, 3)]));
    assert!(passes(&lossy, &[message(1), message(2)]));
}

//! `Event`: what a client receives. Pure.

use std::fmt;

/// The name of an event that was sent without one.
const MESSAGE: &str = "message";

/// An event that borrows from the decoder's buffers, or from the chunk in which it came. Reading it
/// copies nothing.
///
/// [`Decoder::next`](crate::codec::decode::Decoder::next) lends it until the next call. Use
/// [`to_event`](Self::to_event) to keep it for longer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct EventRef<'a> {
    event: &'a str,
    data: &'a str,
    id: &'a str,
}

impl<'a> EventRef<'a> {
    /// An empty name means the default one.
    pub(crate) fn new(event: &'a str, data: &'a str, id: &'a str) -> Self {
        Self { event: if event.is_empty() { MESSAGE } else { event }, data, id }
    }

    /// The event name: `message`, unless the server sent one.
    #[must_use]
    pub fn event(self) -> &'a str {
        self.event
    }

    /// The data: its lines, with one LF between each two.
    #[must_use]
    pub fn data(self) -> &'a str {
        self.data
    }

    /// The last event ID when the event came: its own ID, or that of an earlier event, or an empty
    /// text.
    #[must_use]
    pub fn id(self) -> &'a str {
        self.id
    }

    /// Copies the event into memory of its own.
    #[must_use]
    pub fn to_event(self) -> Event {
        let mut text = String::with_capacity(self.data.len() + self.event.len() + self.id.len());
        text.push_str(self.data);
        text.push_str(self.event);
        text.push_str(self.id);
        Event { text, data: self.data.len(), event: self.event.len() }
    }
}

/// An event: what a client receives for a [`Message`](crate::codec::message::Message) with data.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Event {
    // Data, event name and ID share one block, so that an event is one allocation. The data comes
    // first, so that `into_data` can return the block.
    text: String,
    data: usize,
    event: usize,
}

impl Event {
    /// The event name: `message`, unless the server sent one.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.text[self.data..self.data + self.event]
    }

    /// The data: its lines, with one LF between each two.
    #[must_use]
    pub fn data(&self) -> &str {
        &self.text[..self.data]
    }

    /// The last event ID when the event came: its own ID, or that of an earlier event, or an empty
    /// text.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.text[self.data + self.event..]
    }

    /// Returns the data without a copy.
    #[must_use]
    pub fn into_data(mut self) -> String {
        self.text.truncate(self.data);
        self.text
    }
}

impl From<EventRef<'_>> for Event {
    fn from(event: EventRef<'_>) -> Self {
        event.to_event()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("event", &self.event())
            .field("data", &self.data())
            .field("id", &self.id())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(event: &str, data: &str, id: &str) {
        let lent = EventRef::new(event, data, id);
        let kept = lent.to_event();
        assert_eq!((kept.event(), kept.data(), kept.id()), (lent.event(), data, id));
        assert_eq!(kept.into_data(), data);
    }

    #[test]
    fn what_is_kept_is_what_was_lent() {
        check("tick", "one\ntwo", "7");
        check("é", "", "\u{feff}");
        check("", "", "");
    }

    #[test]
    fn an_event_without_a_name_is_a_message() {
        assert_eq!(EventRef::new("", "x", "").event(), "message");
        assert_eq!(EventRef::new("message", "x", ""), EventRef::new("", "x", ""));
    }
}

//! Why a message cannot be sent, and which field is the reason.

use std::fmt;

/// A field of a message whose value can be invalid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Field {
    /// The event name, `event:`.
    Event,
    /// The event ID, `id:`.
    Id,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Event => "event name",
            Self::Id => "event ID",
        })
    }
}

/// Why a message was refused: a client would not have received the value as it was set.
///
/// The error does not repeat the value, because the value may be a secret or a megabyte long.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EncodeError {
    /// A carriage return or line feed in a field that is one line. It would end the field and start
    /// a forged one. Remove or replace line breaks before you set the field, or put the text into
    /// the data, which may hold line breaks.
    LineBreak {
        /// The field that held it.
        field: Field,
        /// The index of the byte.
        at: usize,
    },
    /// A NUL in the event ID. Clients ignore such an ID.
    Nul {
        /// The index of the byte.
        at: usize,
    },
    /// Another control character in the event ID. A client cannot return it in a header.
    Control {
        /// The index of the byte.
        at: usize,
    },
    /// A blank at the start or the end of the event ID. It would be missing from the header in
    /// which a client returns the ID.
    Blank {
        /// The index of the byte.
        at: usize,
    },
    /// An event ID that is longer than [`MAX_EVENT_ID`](crate::MAX_EVENT_ID).
    IdTooLong {
        /// The length of the ID in bytes.
        bytes: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// An empty event name. Clients take it for `message`. If that is what you mean, set no name.
    EmptyEventName,
    /// A name for an event of a hub that another event of the hub has. Clients could not tell the
    /// two apart.
    HubEventName {
        /// The name.
        name: &'static str,
    },
    /// A name for an event of a hub, or for the gap event of replies, that an `EventSource` gives
    /// to events of its own: `message`, `open` or `error`. A page could not tell the two apart.
    EventSourceName {
        /// The name.
        name: &'static str,
    },
    /// A reconnection time that does not fit into 64 bits of milliseconds.
    RetryTooLong,
    /// The value given to [`Message::json`](crate::codec::message::Message::json) could not be
    /// serialised.
    #[cfg(feature = "json")]
    Json(JsonError),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineBreak { field, at } => {
                write!(
                    f,
                    "the {field} holds a line break at byte {at}; remove it or send the text as data"
                )
            }
            Self::Nul { at } => write!(f, "the event ID holds a NUL at byte {at}; remove it"),
            Self::Control { at } => {
                write!(f, "the event ID holds a control character at byte {at}; remove it")
            }
            Self::Blank { at } => write!(
                f,
                "the event ID has a blank at byte {at}, where a header loses it; remove it"
            ),
            Self::IdTooLong { bytes, max } => write!(
                f,
                "the event ID has {bytes} bytes, but a client can return only {max}; shorten it"
            ),
            Self::EmptyEventName => f.write_str(
                "the event name is empty; leave it out to send an event named `message`",
            ),
            Self::HubEventName { name } => write!(
                f,
                "the hub has another event named `{name}`; choose another name, or first rename \
                 the other event with `HubBuilder::gap_event` or `HubBuilder::relay_event`"
            ),
            Self::EventSourceName { name } => write!(
                f,
                "this event cannot be named `{name}`, because an `EventSource` has events of its \
                 own with this name; choose another name"
            ),
            Self::RetryTooLong => f.write_str(
                "the reconnection time exceeds 64 bits of milliseconds; give a shorter one",
            ),
            #[cfg(feature = "json")]
            Self::Json(_) => f.write_str("the data could not be serialised as JSON"),
        }
    }
}

impl std::error::Error for EncodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            #[cfg(feature = "json")]
            Self::Json(error) => Some(error),
            _ => None,
        }
    }
}

/// The error of the JSON serialiser for a value that JSON cannot hold.
#[cfg(feature = "json")]
#[derive(Clone, Debug)]
pub struct JsonError(std::sync::Arc<serde_json::Error>);

#[cfg(feature = "json")]
impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        Self(std::sync::Arc::new(error))
    }
}

#[cfg(feature = "json")]
impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "json")]
impl std::error::Error for JsonError {}

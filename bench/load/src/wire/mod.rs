//! Decodes the bytes of a connection: responses, events and HTTP/2 frames (pure).

mod chunked;
mod events;
pub(crate) mod frames;
mod response;
pub(crate) mod web_socket;

pub(crate) use events::{Event, Events, Take, ignore};
pub(crate) use response::Response;

/// A description of bytes that no server should send.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Malformed(String);

impl Malformed {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

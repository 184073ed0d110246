//! What the server knows about the client of an event stream: how it reconnects, and the last event
//! that it has.

#[cfg(feature = "body")]
pub(crate) mod last_event_id;
pub mod reconnect;

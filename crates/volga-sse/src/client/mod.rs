//! The client's side of an event stream: the last event that it has, and when it reconnects.

#[cfg(feature = "body")]
pub(crate) mod last_event_id;
pub mod reconnect;

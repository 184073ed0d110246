//! The client's side of an event stream: the last event that it has, and when it reconnects.
//!
//! A client is a loop in a crate of its own: send a request with the last event ID, check the
//! response, read the body through `EventStream` or `Decoder` (`codec/decode`), and ask
//! `ReconnectPolicy` how long to wait. `examples/sse-tail` is such a client: its loop is in
//! `tail.rs`.

#[cfg(feature = "body")]
pub(crate) mod last_event_id;
pub mod reconnect;

//! Tests of the socket over an in-memory connection.

mod ends;
#[cfg(feature = "hub")]
mod forwarding;
mod limits;
mod messages;
mod support;

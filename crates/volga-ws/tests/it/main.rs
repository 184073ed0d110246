//! Tests of the socket over an in-memory connection.

mod ends;
mod limits;
mod messages;
mod support;

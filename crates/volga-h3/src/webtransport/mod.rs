//! WebTransport over HTTP/3 (draft-ietf-webtrans-http3): sessions beside the requests of a
//! connection.
//!
//! A session begins with an extended CONNECT. `handshake.rs` is the offer of such a request and how
//! a service accepts it. `session.rs` and `streams.rs` are what the application's function gets.
//! `state.rs` is the state that they share with `serve.rs`, which runs the function, and with
//! `table.rs`, which finds the session for each stream and datagram of a connection.

pub(crate) mod arrivals;
pub(crate) mod capsule;
pub(crate) mod close_info;
pub(crate) mod codes;
pub(crate) mod handshake;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod state;
pub(crate) mod streams;
pub(crate) mod table;

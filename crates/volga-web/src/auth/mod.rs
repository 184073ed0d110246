//! Credentials of requests as arguments, and the challenges to clients without them.
//!
//! `credentials.rs` reads the field `Authorization`, and is pure. `basic.rs` and `bearer.rs` are
//! the arguments, `tickets.rs` has tokens for one request, `challenge.rs` and `error.rs` are the
//! responses, and `realm.rs` the middleware that names what is protected. To add a scheme, write a
//! file like `bearer.rs`.

pub(crate) mod basic;
pub(crate) mod bearer;
pub(crate) mod challenge;
pub(crate) mod constant_time;
mod credentials;
pub(crate) mod error;
pub(crate) mod realm;
mod realm_middleware;
pub(crate) mod tickets;

//! Replies that outlive their connection, through their public interface.

mod bounds;
mod clients;
mod ends;
#[cfg(feature = "hub")]
mod gap_event;
mod model;
mod policies;
mod support;
mod threads;

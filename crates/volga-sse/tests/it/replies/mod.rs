//! Replies that outlive their connection, through their public interface.

mod bounds;
mod clients;
mod ends;
mod model;
mod policies;
mod support;
mod threads;

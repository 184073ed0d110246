//! One request and its response, whatever the protocol.
//!
//! | module | idea |
//! |---|---|
//! | `service` | what a server serves, and how a request reaches it |
//! | `request_body` | the body of a request, of whatever kind |
//! | `body_channel`, `h2_body` | one that an HTTP/1 connection feeds, and one that `h2` receives |
//! | `body_pace`, `body_timer` | how fast a client must send a body |
//! | `long_lived` | the mark of a response that goes on for long |
//! | `tunnel` | a connection, or a stream of one, that becomes a byte stream of the application's |
//! | `target` | what is wrong with a request's target |
//! | `date` | the `date` field, made once a second |

pub(crate) mod body_channel;
pub(crate) mod body_pace;
pub(crate) mod body_timer;
pub(crate) mod date;
pub(crate) mod h2_body;
pub(crate) mod long_lived;
pub(crate) mod request_body;
pub(crate) mod request_body_error;
pub(crate) mod service;
#[cfg(test)]
mod slow_bodies;
pub(crate) mod target;
pub(crate) mod tunnel;

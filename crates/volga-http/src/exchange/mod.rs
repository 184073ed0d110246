//! One request and its response, in either protocol.
//!
//! | module | idea |
//! |---|---|
//! | `service` | calls a tower service with the requests of a connection |
//! | `request_body`, `request_body_error` | the body of a request, and why it may end early |
//! | `body_channel`, `h2_body` | the body of an HTTP/1 request, and of an HTTP/2 request |
//! | `body_pace`, `body_timer` | how fast a client must send a request body |
//! | `long_lived_response` | the mark of a long-lived response |
//! | `cut_at_end` | the mark of a response that may end while its client does not read |
//! | `request_fields`, `response_fields` | checks and completes the fields of heads, for HTTP/2 and HTTP/3 |
//! | `reset_budget` | how many requests a client may abandon |
//! | `half_close` | what a response does when its client closes its sending side |
//! | `tunnel` | a connection or an HTTP/2 stream that the application uses as a byte stream |
//! | `target` | checks the target and the `host` field of a request |
//! | `date` | the `date` field, formatted once per second |

pub(crate) mod body_channel;
pub(crate) mod body_pace;
pub(crate) mod body_timer;
pub(crate) mod cut_at_end;
pub(crate) mod date;
pub(crate) mod h2_body;
pub(crate) mod half_close;
pub(crate) mod long_lived_response;
pub(crate) mod request_body;
pub(crate) mod request_body_error;
pub(crate) mod request_fields;
pub(crate) mod reset_budget;
pub(crate) mod response_fields;
pub(crate) mod service;
#[cfg(test)]
mod slow_bodies;
pub(crate) mod target;
pub(crate) mod tunnel;

//! Behaviour that only HTTP/2 has.

mod bodies;
mod heads;
mod limits;
mod malformed_requests;
mod many;
mod support;
mod uploads;

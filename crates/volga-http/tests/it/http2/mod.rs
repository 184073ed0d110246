//! What HTTP/2 has of its own.

mod bodies;
mod heads;
mod limits;
mod many;
mod strict;
mod support;
mod uploads;

//! The facade over real sockets: one file per behaviour.

mod responses;
mod seed;
mod shutdown;
mod start;
mod streams;
mod support;

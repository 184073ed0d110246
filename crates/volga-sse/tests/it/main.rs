//! The codec and the answers from outside: what goes in, what comes out, for inputs and orders that nobody thought of.

#[cfg(feature = "answers")]
mod answers;
mod chunks;
mod linear;
mod naive;
mod round_trip;

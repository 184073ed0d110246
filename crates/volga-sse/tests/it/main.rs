//! The crate from outside: what goes in, what comes out, for inputs that nobody thought of.

mod chunks;
#[cfg(feature = "hub")]
mod hub;
mod linear;
mod naive;
mod round_trip;

//! The codec from outside: what goes in, what comes out, for inputs that nobody thought of.

mod chunks;
mod linear;
mod naive;
mod round_trip;

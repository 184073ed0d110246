//! The crate from outside: what goes in, what comes out, for inputs and orders that nobody thought
//! of.

#[cfg(feature = "answers")]
mod answers;
mod chunks;
#[cfg(feature = "hub")]
mod hub;
#[cfg(feature = "hub")]
mod hub_joined_frames;
#[cfg(feature = "hub")]
mod hub_model;
#[cfg(feature = "hub")]
mod hub_relay;
#[cfg(feature = "hub")]
mod hub_stats;
#[cfg(feature = "hub")]
mod hub_threads;
#[cfg(feature = "hub")]
mod hub_topics;
mod linear;
mod naive;
mod round_trip;

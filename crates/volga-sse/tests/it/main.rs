//! The crate through its public interface, with generated inputs and orders.

mod chunks;
#[cfg(feature = "hub")]
mod hub;
#[cfg(feature = "hub")]
mod hub_close_policy;
#[cfg(feature = "hub")]
mod hub_joined_frames;
#[cfg(feature = "hub")]
mod hub_model;
#[cfg(feature = "hub")]
mod hub_refusals;
#[cfg(feature = "hub")]
mod hub_relay;
#[cfg(feature = "hub")]
mod hub_stats;
#[cfg(feature = "hub")]
mod hub_threads;
#[cfg(feature = "hub")]
mod hub_topics;
#[cfg(feature = "hub")]
mod hub_waves;
mod linear;
mod naive;
#[cfg(feature = "replies")]
mod replies;
mod round_trip;

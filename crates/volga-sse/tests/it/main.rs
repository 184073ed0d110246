//! The crate through its public interface, with generated inputs and orders.

#[cfg(feature = "axum")]
mod axum;
mod chunks;
#[cfg(all(feature = "hub", feature = "macros"))]
mod closing;
#[cfg(feature = "hub")]
mod hub;
#[cfg(feature = "hub")]
mod hub_close;
#[cfg(feature = "hub")]
mod hub_close_policy;
#[cfg(all(feature = "hub", feature = "macros"))]
mod hub_end_with;
#[cfg(feature = "hub")]
mod hub_joined_frames;
#[cfg(feature = "hub")]
mod hub_keyed;
#[cfg(feature = "hub")]
mod hub_model;
#[cfg(feature = "hub")]
mod hub_newcomers;
#[cfg(feature = "hub")]
mod hub_nodes;
#[cfg(feature = "hub")]
mod hub_presence;
#[cfg(feature = "hub")]
mod hub_presence_races;
#[cfg(feature = "hub")]
mod hub_presence_returns;
#[cfg(feature = "hub")]
mod hub_refusals;
#[cfg(feature = "hub")]
mod hub_stats;
#[cfg(feature = "hub")]
mod hub_support;
#[cfg(feature = "hub")]
mod hub_threads;
#[cfg(feature = "hub")]
mod hub_topics;
#[cfg(feature = "hub")]
mod hub_waves;
mod linear;
#[cfg(all(feature = "hub", feature = "json", feature = "macros"))]
mod list_and_changes;
mod naive;
#[cfg(feature = "hub")]
mod pages;
#[cfg(feature = "replies")]
mod replies;
mod round_trip;
#[cfg(feature = "hub")]
mod seeded;

//! The response: a body that sends the messages of a source, with heartbeats and a proper end.

#[cfg(feature = "body")]
pub(crate) mod body;
#[cfg(feature = "body")]
pub(crate) mod close;
#[cfg(feature = "body")]
pub(crate) mod frame;
#[cfg(feature = "macros")]
pub(crate) mod generate;
#[cfg(feature = "body")]
pub(crate) mod heartbeat;
#[cfg(feature = "body")]
pub(crate) mod item;
#[cfg(feature = "body")]
pub(crate) mod limit;
#[cfg(feature = "body")]
pub(crate) mod refusal;
#[cfg(feature = "body")]
pub(crate) mod response;
#[cfg(feature = "body")]
pub(crate) mod schedule;
#[cfg(feature = "body")]
pub(crate) mod settings;
#[cfg(feature = "body")]
pub(crate) mod source;
#[cfg(feature = "body")]
pub(crate) mod spread;

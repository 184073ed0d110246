//! The names of other crates that this crate exports, each with an example as a user of this
//! crate writes it.
//!
//! rustdoc shows the text here before the text of the item itself, which has the details.

pub(crate) mod arguments;
pub(crate) mod connections;
pub(crate) mod content;
#[cfg(feature = "disk-log")]
pub(crate) mod disk_log;
pub(crate) mod hub;
pub(crate) mod identity;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(feature = "replies")]
pub(crate) mod replies;
pub(crate) mod responses;
pub(crate) mod streams;
#[cfg(feature = "ws")]
pub(crate) mod websockets;
#[cfg(feature = "http3")]
pub(crate) mod webtransport;

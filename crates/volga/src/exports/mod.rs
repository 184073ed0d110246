//! What this crate exports of the others, each with an example that is written as a user of this
//! crate writes it.
//!
//! rustdoc shows the text here before the text of the item itself, which has the details.

pub(crate) mod arguments;
pub(crate) mod connections;
pub(crate) mod content;
pub(crate) mod hub;
pub(crate) mod identity;
#[cfg(feature = "replies")]
pub(crate) mod replies;
pub(crate) mod responses;
pub(crate) mod streams;
#[cfg(feature = "ws")]
pub(crate) mod websockets;

//! The text of an event stream: messages become bytes, and bytes become events. Pure, but for
//! `decode::stream` and `decode::reader`.

pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod field;
#[cfg(feature = "json")]
pub(crate) mod json;
pub(crate) mod message;
pub(crate) mod position;
pub(crate) mod wire;

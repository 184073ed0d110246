//! Files: sent as responses, and saved from request bodies.

pub(crate) mod blocking;
pub(crate) mod disposition;
pub(crate) mod file_name;
pub(crate) mod file_request;
pub(crate) mod file_response;
pub(crate) mod open;
pub(crate) mod preconditions;
pub(crate) mod range;
pub(crate) mod saver;
pub(crate) mod segments;
pub(crate) mod upload;
pub(crate) mod validators;

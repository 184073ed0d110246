//! Static files: a folder, or files that are embedded in the program.

pub(crate) mod coding;
mod fingerprint;
pub(crate) mod listing;
pub(crate) mod request_path;
pub(crate) mod service;
pub(crate) mod store;

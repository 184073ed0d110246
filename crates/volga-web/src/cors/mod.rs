//! CORS: what browsers let the pages of other origins do.
//!
//! The headers are made here. tower-http's layer is not used: it is a layer, so it does not see
//! which methods a path is mapped for, every OPTIONS request is a preflight for it, and its faults
//! are panics.

pub(crate) mod policy;

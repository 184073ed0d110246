//! `BoxError`: any error, as a response body carries it.

/// Any error, as a response body carries it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

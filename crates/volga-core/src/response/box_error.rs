//! `BoxError`: an error of any type.

/// A boxed error of any type, as bodies and services carry it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

//! Why a service cannot be had.

use std::any::type_name;

use crate::response::box_error::BoxError;
use crate::services::needs::short;

/// Why a service could not be had by a request. It rides along as the
/// [`cause`](crate::Error::cause) of the [`Error`].
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Nothing is registered under this type. Only what does not declare its
    /// [`Needs`](crate::Needs) gets here: the rest is told at start-up.
    #[error("`{service}` is not registered")]
    Missing {
        /// The type.
        service: String,
    },
    /// A scoped service was asked for outside a request, or by an extractor that does not declare
    /// its [`Needs`](crate::Needs).
    #[error("`{service}` is scoped, and there is no scope here")]
    NoScope {
        /// The type.
        service: String,
    },
    /// Its factory failed. The next request that asks for it tries again.
    #[error("`{service}` could not be made")]
    Failed {
        /// The type.
        service: String,
        /// What the factory said; again of this type where a service that it needs failed.
        source: BoxError,
    },
}

impl ServiceError {
    pub(crate) fn missing<T: ?Sized>() -> Self {
        Self::Missing { service: short(type_name::<T>()) }
    }
}

//! `ServiceError`: why a request gets no service.

use std::any::type_name;

use crate::response::box_error::BoxError;
use crate::services::needs::short_name;

/// Why a request did not get a service. It is the [`cause`](crate::Error::cause) of an
/// [`Error`](crate::Error).
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// No service is registered under this type. The checks at start-up find this, unless the
    /// extractor that asks for the service does not declare it.
    #[error("`{service}` is not registered: add `app.add_singleton(..)` or a factory")]
    Missing {
        /// The type of the service.
        service: String,
    },
    /// A scoped service was asked for outside of a request, or by an extractor that does not
    /// declare the service.
    #[error(
        "`{service}` is scoped, but this code runs outside of a scope: open one with \
         `Services::scope`, or declare the service in `describe`"
    )]
    NoScope {
        /// The type of the service.
        service: String,
    },
    /// The factory of the service failed. The next request that asks for the service tries again.
    #[error("`{service}` could not be created")]
    Failed {
        /// The type of the service.
        service: String,
        /// The error of the factory. If a service that the factory needs has failed, this is a
        /// `ServiceError`, too.
        source: BoxError,
    },
}

impl ServiceError {
    pub(crate) fn missing<T: ?Sized>() -> Self {
        Self::Missing { service: short_name(type_name::<T>()) }
    }
}

//! Arguments from the context of a request: a service, and the cancellation token.

use crate::extract::FromRequestParts;
use crate::extract::optional::OptionalArg;
use crate::handler::description::Description;
use crate::request::cancel::CancellationToken;
use crate::request::parts::RequestParts;
use crate::response::error::Error;
use crate::services::dc::Dc;

impl<T: ?Sized + Send + Sync + 'static> FromRequestParts for Dc<T> {
    fn describe(description: &mut Description) {
        description.uses_service::<T>();
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        parts.context().resolve().await
    }
}

/// Absent if no service is registered under the type.
impl<T: ?Sized + Send + Sync + 'static> OptionalArg for Dc<T> {
    fn is_absent(parts: &RequestParts) -> bool {
        !parts.context().services().is_some_and(|services| services.has::<T>())
    }
}

impl FromRequestParts for CancellationToken {
    fn describe(description: &mut Description) {
        description.uses_cancellation();
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        parts.context().token().cloned().ok_or_else(|| {
            Error::server_error(
                "the extractor that uses `CancellationToken` does not declare it: \
                 call `description.uses_cancellation()` in its `describe`",
            )
        })
    }
}

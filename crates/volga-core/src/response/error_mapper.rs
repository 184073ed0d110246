//! `MapError`: the application's way to turn errors into responses.

use std::fmt;
use std::marker::PhantomData;

use crate::handler::box_future::BoxFuture;
use crate::handler::output::{HandlerOutput, Marker};
use crate::response::error::Error;
use crate::response::into_response::{HttpResult, IntoResponse};

/// Turns errors into responses.
pub trait MapError: Send + Sync + 'static {
    /// Returns the response. If it returns an error instead, that error becomes a response as it
    /// would without a mapper.
    fn map_error(&self, error: Error) -> BoxFuture<HttpResult>;
}

/// A function `|error| …`, async or not, as a [`MapError`].
pub struct ErrorMapper<F, Kind, Out> {
    function: F,
    marker: Marker<(Kind, Out)>,
}

impl<F, R, Kind, Out> ErrorMapper<F, Kind, Out>
where
    F: FnOnce(Error) -> R + Clone + Send + Sync + 'static,
    R: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>,
{
    /// Creates a mapper from a function.
    pub fn new(function: F) -> Self {
        Self { function, marker: PhantomData }
    }
}

impl<F, R, Kind, Out> MapError for ErrorMapper<F, Kind, Out>
where
    F: FnOnce(Error) -> R + Clone + Send + Sync + 'static,
    R: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>,
    Kind: 'static,
    Out: 'static,
{
    fn map_error(&self, error: Error) -> BoxFuture<HttpResult> {
        let result = (self.function.clone())(error).into_future();
        Box::pin(async move { result.await.into_response() })
    }
}

impl<F, Kind, Out> fmt::Debug for ErrorMapper<F, Kind, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorMapper").finish_non_exhaustive()
    }
}

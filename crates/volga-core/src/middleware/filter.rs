//! `Filter`: a function that accepts or refuses requests.

use std::{fmt, marker::PhantomData, sync::Arc};

use http::StatusCode;

use crate::handler::box_future::BoxFuture;
use crate::handler::description::Description;
use crate::handler::function::{Handler, PartsArgs};
use crate::handler::output::{HandlerOutput, Marker};
use crate::middleware::Middleware;
use crate::middleware::stage::Stage;
use crate::request::body::HttpBody;
use crate::request::parts::{Endpoint, RequestParts};
use crate::response::error::Error;
use crate::response::into_response::{HttpResponse, OutStatus, OutValue};
use crate::response::status_error::IntoStatusError;

/// The result of a [`Filter`] function.
///
/// The parameter `Out` keeps the implementations for `Result` apart. Leave it out for your own
/// type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the result of a filter",
    label = "this is what the filter returns",
    note = "a filter returns a `bool`, or a `Result` whose error becomes the response: `volga::error::Error`, a type that implements `std::error::Error`, a `StatusCode`, a status and a text `(StatusCode, String)`, or `ErrorResponse`"
)]
pub trait FilterVerdict<Out = OutValue> {
    /// Returns whether the request is accepted.
    ///
    /// # Errors
    ///
    /// Returns an error if the request is refused. The error becomes the response.
    fn verdict(self) -> Result<(), Error>;
}

/// `false` refuses the request with status 403.
impl FilterVerdict for bool {
    fn verdict(self) -> Result<(), Error> {
        match self {
            true => Ok(()),
            false => Err(Error::new(StatusCode::FORBIDDEN, "a filter refused the request")),
        }
    }
}

impl FilterVerdict for () {
    fn verdict(self) -> Result<(), Error> {
        Ok(())
    }
}

impl<T: FilterVerdict, E: Into<Error>> FilterVerdict for Result<T, E> {
    fn verdict(self) -> Result<(), Error> {
        self.map_err(Into::into)?.verdict()
    }
}

impl<T: FilterVerdict, E: IntoStatusError> FilterVerdict<OutStatus> for Result<T, E> {
    fn verdict(self) -> Result<(), Error> {
        self.map_err(IntoStatusError::into_status_error)?.verdict()
    }
}

/// Middleware from a function that accepts or refuses requests: `|user: User| user.is_admin()`. Its
/// arguments need only the head of a request. It returns a `bool`, or a `Result` whose error
/// becomes the response. `false` has status 403.
pub struct Filter<F, Args, Kind, Out> {
    function: F,
    marker: Marker<(Args, Kind, Out)>,
}

impl<F, Args, Kind, Out> Filter<F, Args, Kind, Out>
where
    F: Handler<
            Args,
            Output: HandlerOutput<Kind, Future: Send + 'static, Value: FilterVerdict<Out>>,
        >,
    F: Clone + Send + Sync + 'static,
    Args: PartsArgs + Send + 'static,
{
    /// Creates middleware from a function.
    pub fn new(function: F) -> Self {
        Self { function, marker: PhantomData }
    }
}

impl<F, Args, Kind, Out> Clone for Filter<F, Args, Kind, Out>
where
    F: Clone,
{
    fn clone(&self) -> Self {
        Self { function: self.function.clone(), marker: PhantomData }
    }
}

impl<F, Args, Kind, Out> Middleware for Filter<F, Args, Kind, Out>
where
    F: Handler<
            Args,
            Output: HandlerOutput<Kind, Future: Send + 'static, Value: FilterVerdict<Out>>,
        >,
    F: Clone + Send + Sync + 'static,
    Args: PartsArgs + Send + 'static,
    Kind: 'static,
    Out: 'static,
{
    fn describe(&self, description: &mut Description) {
        Args::describe(description);
        // Only the type of the verdict is known here, so the filter may respond with any error.
        description.responds_error();
    }

    fn wrap(&self, inner: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        Arc::new(FilterEndpoint { filter: self.clone(), inner })
    }
}

struct FilterEndpoint<F, Args, Kind, Out> {
    filter: Filter<F, Args, Kind, Out>,
    inner: Arc<dyn Endpoint>,
}

impl<F, Args, Kind, Out> Endpoint for FilterEndpoint<F, Args, Kind, Out>
where
    F: Handler<
            Args,
            Output: HandlerOutput<Kind, Future: Send + 'static, Value: FilterVerdict<Out>>,
        >,
    F: Clone + Send + Sync + 'static,
    Args: PartsArgs + Send + 'static,
    Kind: 'static,
    Out: 'static,
{
    fn call(&self, mut parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let inner = Arc::clone(&self.inner);
        Stage::start(parts.responder(), || {
            let function = self.filter.function.clone();
            async move {
                let args = Args::from_parts(&mut parts).await?;
                function.call(args).into_future().await.verdict()?;
                Ok::<_, Error>(inner.call(parts, body).await)
            }
        })
    }

    fn catches_panics(&self) -> bool {
        true
    }
}

impl<F, Args, Kind, Out> fmt::Debug for Filter<F, Args, Kind, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").finish_non_exhaustive()
    }
}

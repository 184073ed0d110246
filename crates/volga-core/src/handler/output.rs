//! `HandlerOutput`: the result of a handler, immediate or in a future.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, Ready};
use std::marker::PhantomData;

use crate::response::into_response::{IntoResponse, OutValue};

/// The result of a handler: a response, or a future of one. The compiler infers `Kind`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot become a response",
    label = "this is what the handler returns",
    note = "a handler returns text, bytes, a number, `()`, a `StatusCode`, `Json`, `Form`, an `http::Response`, an `Option` or `Result` of one of them, a tuple of a status, headers and one of them, or what `ok!`, `status!` and `sse!` give; or a future of it",
    note = "a value of your own is returned as JSON: `Json(value)` or `ok!(value)`",
    note = "the error of a `Result` is `volga::error::Error`, a type that implements `std::error::Error`, `anyhow::Error`, a boxed error, a `StatusCode`, a status and a text `(StatusCode, String)`, a type of your own with `impl From<MyError> for Error`, or `ErrorResponse`, whose `?` takes every type that implements `IntoResponse`"
)]
pub trait HandlerOutput<Kind> {
    /// The value that becomes the response.
    type Value;
    /// The future of the value.
    type Future: Future<Output = Self::Value>;

    /// Returns the future of the value.
    #[doc(hidden)]
    fn into_future(self) -> Self::Future;
}

/// Marks a handler that returns a future.
#[derive(Debug)]
pub enum Async {}

/// Marks a handler that returns its result without a future. `Out` is the mark of the
/// [result](IntoResponse).
pub struct Immediate<Out = OutValue>(Infallible, PhantomData<Out>);

impl<Out> fmt::Debug for Immediate<Out> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

impl<F: Future> HandlerOutput<Async> for F {
    type Value = F::Output;
    type Future = F;

    fn into_future(self) -> F {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<R: IntoResponse<Out>, Out> HandlerOutput<Immediate<Out>> for R {
    type Value = R;
    type Future = Ready<R>;

    fn into_future(self) -> Ready<R> {
        std::future::ready(self)
    }
}

/// Lets a type have a type parameter without a value of it. The type is `Send` and `Sync`, whatever
/// the parameter is.
pub(crate) type Marker<T> = PhantomData<fn() -> T>;

//! Extractors: arguments of handlers, created from requests.
//!
//! There are two traits: [`FromRequestParts`] for arguments that need only the head of a request,
//! and [`FromRequest`] for the last argument, which may take the body.
//!
//! To add an extractor to this crate, implement one of them in a file of its own; `extension.rs` is
//! a short example. Export the type in `lib.rs` here and in `volga`, and add it to the notes of
//! `on_unimplemented` below. Its tests are beside the code, and those of an app that uses it are in
//! `volga/tests/it/extract.rs`.

pub(crate) mod body;
mod context;
pub(crate) mod error;
pub(crate) mod extension;
pub(crate) mod fields;
pub(crate) mod header;
pub(crate) mod optional;
mod parts;
pub(crate) mod path;
pub(crate) mod query;
pub(crate) mod valid;

use std::future::Future;

use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::parts::RequestParts;
use crate::response::error::Error;

/// An argument that needs everything in a request except the body.
///
/// Arguments are extracted from left to right. The first error becomes the response, and the
/// handler is not called. Implement this trait for your own type to use the type as an argument:
///
/// ```
/// use volga_core::{Error, FromRequestParts, RequestParts};
///
/// struct Tenant(String);
///
/// impl FromRequestParts for Tenant {
///     async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
///         let name = parts.headers.get("x-tenant").and_then(|value| value.to_str().ok());
///         name.map(|name| Tenant(name.to_owned()))
///             .ok_or_else(|| Error::client_error("the header `x-tenant` is missing"))
///     }
/// }
/// ```
///
/// `Result<Tenant, Error>` is an argument, too. `Option<Tenant>` is one if `Tenant` implements
/// [`OptionalArg`](crate::OptionalArg).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a handler here",
    label = "not an argument",
    note = "an argument is a path argument (`String`, a number, `bool`, … or a type that implements `FromPathArg`), `Path`, `Query`, `Header`, `HeaderMap`, `Method`, `Uri`, or a type that implements `FromRequestParts`",
    note = "an argument that takes the body, such as `Json`, `Form`, `HttpRequest` or `HttpBody`, must be the last one",
    note = "the type in `Path`, `Query`, `Json` and `Form` must implement serde's `Deserialize`, in `Header` it must implement `TypedHeader`, and in `Option` it must implement `OptionalArg`",
    note = "arguments are owned: use `String` instead of `&str`",
    note = "a value of the app, such as an `Arc<State>`, is a service: add it with `app.add_singleton(state)` and take it as `Dc<State>`, or let the closure capture it: `async move || ..`"
)]
pub trait FromRequestParts: Sized {
    /// Describes what the extractor reads, which services it uses, and with which responses it
    /// refuses a request. It is called at start-up, once for each argument, and never for a
    /// request.
    ///
    /// The default says that the extractor may read and use anything. If you implement this
    /// function, describe everything: [`Description`] says what the server leaves out otherwise.
    fn describe(description: &mut Description) {
        description.reads_anything().responds_anything();
    }

    /// Extracts the argument.
    ///
    /// # Errors
    ///
    /// Returns an error if the request does not have the argument. The error becomes the response.
    fn from_request_parts(
        parts: &mut RequestParts,
    ) -> impl Future<Output = Result<Self, Error>> + Send;
}

/// The last argument of a handler, which may take the body.
///
/// Every type that implements [`FromRequestParts`] implements this trait, too. The parameter `Via`
/// keeps the implementations apart. Leave it out for your own type:
///
/// ```
/// use volga_core::{Error, FromRequest, HttpBody, RequestParts};
///
/// /// The body, and its content type.
/// struct Upload { content_type: Option<String>, body: HttpBody }
///
/// impl FromRequest for Upload {
///     async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
///         let content_type = parts.headers.get("content-type");
///         let content_type = content_type.and_then(|value| value.to_str().ok()).map(str::to_owned);
///         Ok(Self { content_type, body })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a handler",
    label = "not an argument",
    note = "an argument is a path argument (`String`, a number, `bool`, … or a type that implements `FromPathArg`), `Path`, `Query`, `Header`, `HeaderMap`, `Method`, `Uri`, or a type that implements `FromRequestParts`",
    note = "the last argument may also be `Json`, `Form`, `NdJson`, `Text`, `Bytes`, `HttpRequest`, `HttpBody`, or a type that implements `FromRequest`",
    note = "the type in `Path`, `Query`, `Json` and `Form` must implement serde's `Deserialize`, in `Header` it must implement `TypedHeader`, and in `Option` it must implement `OptionalArg`",
    note = "arguments are owned: use `String` instead of `&str`",
    note = "a value of the app, such as an `Arc<State>`, is a service: add it with `app.add_singleton(state)` and take it as `Dc<State>`, or let the closure capture it: `async move || ..`"
)]
pub trait FromRequest<Via = ViaRequest>: Sized {
    /// Describes what the extractor reads, which services it uses, and with which responses it
    /// refuses a request. It is called at start-up, once for each argument, and never for a
    /// request.
    ///
    /// The default says that the extractor may read and use anything. If you implement this
    /// function, describe everything: [`Description`] says what the server leaves out otherwise.
    fn describe(description: &mut Description) {
        description.reads_anything().responds_anything();
    }

    /// Extracts the argument.
    ///
    /// # Errors
    ///
    /// Returns an error if the request does not have the argument. The error becomes the response.
    fn from_request(
        parts: RequestParts,
        body: HttpBody,
    ) -> impl Future<Output = Result<Self, Error>> + Send;
}

/// Marks an argument that needs only the head of a request.
#[derive(Debug)]
pub enum ViaParts {}

/// Marks an argument that takes the body.
#[derive(Debug)]
pub enum ViaRequest {}

#[diagnostic::do_not_recommend]
impl<T: FromRequestParts> FromRequest<ViaParts> for T {
    fn describe(description: &mut Description) {
        description.head_only(T::describe);
    }

    async fn from_request(mut parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        // Dropped before the `await`, so that the future does not hold it.
        drop(body);
        let value = T::from_request_parts(&mut parts).await;
        parts.recycle();
        value
    }
}

/// Whether a body that is known to exceed its limit is refused before the argument is extracted.
/// Call this only for such bodies, because creating a description costs more than a whole request.
#[cold]
pub(crate) fn refuses_large_body<T: FromRequest<Via>, Via>() -> bool {
    let mut description = Description::new();
    T::describe(&mut description);
    description.refuses_large_body()
}

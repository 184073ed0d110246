//! Arguments made of requests: two traits, one for what needs the head only and one for what takes
//! the body.

pub(crate) mod body;
mod context;
pub(crate) mod error;
pub(crate) mod extension;
mod fields;
pub(crate) mod header;
pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod ndjson;
pub(crate) mod optional;
mod parts;
pub(crate) mod path;
pub(crate) mod path_arg;
pub(crate) mod query;

use std::future::Future;

use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::parts::RequestParts;
use crate::response::error::Error;

/// An argument made of everything but the body.
///
/// Arguments are made from left to right; the first error ends the request with the error's status.
/// Implement it for a type of your own to have it as an argument of any handler:
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
/// `Option<Tenant>` is an argument, too, once `Tenant` is [`OptionalArg`]; `Result<Tenant, Error>`
/// always is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a handler here",
    label = "no argument",
    note = "arguments are path arguments (`String`, numbers, `bool`, … and what implements `FromPathArg`), `Path`, `Query`, `Header`, `HeaderMap`, `Method`, `Uri`, and what implements `FromRequestParts`",
    note = "what takes the body, such as `Json`, `HttpRequest` or `HttpBody`, must be the last argument",
    note = "`Path`, `Query` and `Json` are of a type that implements serde's `Deserialize`, `Header` of one that implements `TypedHeader`, `Option` of an argument that implements `OptionalArg`",
    note = "arguments are owned: `String` instead of `&str`"
)]
pub trait FromRequestParts: Sized {
    /// Says what it reads, which services it uses, and with what it responds where it cannot be
    /// made. Called at start-up, once for each place; never for a request.
    ///
    /// An extractor that does not say it may read and use anything. One that does has to say all of
    /// it: [`Description`] tells what is left out otherwise.
    fn describe(description: &mut Description) {
        description.reads_anything().responds_anything();
    }

    /// Makes the argument.
    ///
    /// # Errors
    ///
    /// Why it cannot be made of this request.
    fn from_request_parts(
        parts: &mut RequestParts,
    ) -> impl Future<Output = Result<Self, Error>> + Send;
}

/// The last argument of a handler, which may take the body.
///
/// Whatever implements [`FromRequestParts`] implements it too; the parameter `Via` keeps the two
/// apart, and an implementation of your own leaves it out:
///
/// ```
/// use volga_core::{Error, FromRequest, HttpBody, RequestParts};
///
/// /// The body, and the type that the client gave it.
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
    label = "no argument",
    note = "arguments are path arguments (`String`, numbers, `bool`, … and what implements `FromPathArg`), `Path`, `Query`, `Header`, `HeaderMap`, `Method`, `Uri`, and what implements `FromRequestParts`",
    note = "the last argument may also be `Json`, `NdJson`, `Text`, `Bytes`, `HttpRequest`, `HttpBody`, or what implements `FromRequest`",
    note = "`Path`, `Query` and `Json` are of a type that implements serde's `Deserialize`, `Header` of one that implements `TypedHeader`, `Option` of an argument that implements `OptionalArg`",
    note = "arguments are owned: `String` instead of `&str`"
)]
pub trait FromRequest<Via = ViaRequest>: Sized {
    /// Says what it reads, which services it uses, and with what it responds where it cannot be
    /// made. Called at start-up, once for each place; never for a request.
    ///
    /// An extractor that does not say it may read and use anything. One that does has to say all of
    /// it: [`Description`] tells what is left out otherwise.
    fn describe(description: &mut Description) {
        description.reads_anything().responds_anything();
    }

    /// Makes the argument.
    ///
    /// # Errors
    ///
    /// Why it cannot be made of this request.
    fn from_request(
        parts: RequestParts,
        body: HttpBody,
    ) -> impl Future<Output = Result<Self, Error>> + Send;
}

/// Marks an argument that is made of the head alone.
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
        // Dropped first, so that the future need not hold it.
        drop(body);
        T::from_request_parts(&mut parts).await
    }
}

/// Whether a body that is known to be beyond its limit is refused before the argument is asked for.
/// Called for such bodies only, since a description costs more than a request.
#[cold]
pub(crate) fn refuses_large_body<T: FromRequest<Via>, Via>() -> bool {
    let mut description = Description::new();
    T::describe(&mut description);
    description.refuses_large_body()
}

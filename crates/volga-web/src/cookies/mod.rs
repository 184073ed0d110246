//! Cookies: read from the request, and written to the head of the response.
//!
//! | module | content |
//! |---|---|
//! | `argument` | the argument [`Cookies`](argument::Cookies) |
//! | `jar` | the cookies of one request: what was received, and what is to be sent |
//! | `rules` | the defaults and the checks of a cookie (pure) |
//! | `keys`, `checked`, `signed`, `private` | cookies that the client cannot change, or cannot read |
//!
//! All arguments of one request share a jar, which is in the request's extensions. The jar writes
//! itself to the response by [`on_response_head`](volga_core::RequestParts::on_response_head), so
//! no middleware has to be added, and no cookie is lost if it is missing.

pub(crate) mod argument;
#[cfg(feature = "signed-cookies")]
mod checked;
pub(crate) mod error;
pub(crate) mod jar;
#[cfg(feature = "signed-cookies")]
pub(crate) mod keys;
pub(crate) mod limits;
#[cfg(feature = "signed-cookies")]
pub(crate) mod private;
mod rules;
#[cfg(feature = "signed-cookies")]
pub(crate) mod signed;

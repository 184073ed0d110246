//! `Valid<A>`: an argument whose value is checked before the handler runs.

pub(crate) mod field_errors;

use std::ops::{Deref, DerefMut};

use http::StatusCode;

use crate::extract::body::form::Form;
use crate::extract::body::json::Json;
use crate::extract::fields::non_empty::NonEmptyFields;
use crate::extract::optional::OptionalArg;
use crate::extract::path::Path;
use crate::extract::query::Query;
use crate::extract::valid::field_errors::{FieldErrors, FieldNames};
use crate::extract::{FromRequest, FromRequestParts};
use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::parts::RequestParts;
use crate::response::error::Error;

/// A type that says what is wrong with its values. Call the validator of your choice here, such as
/// `garde`, or check the fields yourself.
///
/// ```
/// use volga_core::{FieldErrors, Validate};
///
/// struct Order { count: u32, address: Address }
/// struct Address { city: String }
///
/// impl Validate for Order {
///     fn field_errors(&self) -> FieldErrors {
///         let mut errors = FieldErrors::new();
///         if self.count == 0 {
///             errors.add("count", "must be positive");
///         }
///         errors.add_nested("address", self.address.field_errors());
///         errors
///     }
/// }
///
/// impl Validate for Address {
///     fn field_errors(&self) -> FieldErrors {
///         let mut errors = FieldErrors::new();
///         if self.city.is_empty() {
///             errors.add("city", "is empty");
///         }
///         errors
///     }
/// }
///
/// let order = Order { count: 0, address: Address { city: String::new() } };
/// assert_eq!(order.field_errors().len(), 2);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be checked by `Valid`",
    label = "it does not implement `Validate`",
    note = "implement `volga::Validate` for the type, and return its errors: `FieldErrors::new()` is a valid value"
)]
pub trait Validate {
    /// Returns all errors of the fields, not only the first one. A value without errors is valid.
    fn field_errors(&self) -> FieldErrors;
}

impl<T: Validate> Validate for Vec<T> {
    fn field_errors(&self) -> FieldErrors {
        let mut errors = FieldErrors::new();
        for (index, value) in self.iter().enumerate() {
            errors.add_nested(format_args!("[{index}]"), value.field_errors());
        }
        errors
    }
}

/// `None` is valid.
impl<T: Validate> Validate for Option<T> {
    fn field_errors(&self) -> FieldErrors {
        self.as_ref().map_or_else(FieldErrors::new, Validate::field_errors)
    }
}

impl<T: Validate> Validate for NonEmptyFields<T> {
    fn field_errors(&self) -> FieldErrors {
        self.0.field_errors()
    }
}

/// An argument whose value [`Valid`] can check: `Json`, `Form`, `Query` and `Path`. Implement it
/// for an extractor of your own to use it within `Valid`.
#[diagnostic::on_unimplemented(
    message = "`Valid<{Self}>` cannot be an argument of a handler",
    label = "not an argument with a value to check",
    note = "`Valid` takes `Json<T>`, `Form<T>`, `Query<T>`, `Path<T>` and types that implement `ValidArg`, and `T` must implement `Validate`"
)]
pub trait ValidArg {
    /// How the problem details name the fields of the value.
    const NAMES: FieldNames;

    /// Returns all errors of the value.
    fn field_errors(&self) -> FieldErrors;
}

macro_rules! valid_args {
    ($($arg:ident: $names:ident;)*) => { $(
        impl<T: Validate> ValidArg for $arg<T> {
            const NAMES: FieldNames = FieldNames::$names;

            fn field_errors(&self) -> FieldErrors {
                self.0.field_errors()
            }
        }
    )* };
}

valid_args! {
    Json: Pointer;
    Form: Brackets;
    Query: Brackets;
    Path: Brackets;
}

/// An argument whose value is checked before the handler runs: `Valid<Json<T>>`, `Valid<Form<T>>`,
/// `Valid<Query<T>>`. The type `T` implements [`Validate`].
///
/// If the value has errors, the status is 422, and the response is one problem document with all of
/// them in its member `errors`. The error is an [`ExtractError::Invalid`], so an error mapper can
/// read it. `Option<Valid<A>>` is `None` if the argument is absent.
///
/// ```
/// use serde::Deserialize;
/// use volga_core::{FieldErrors, HandlerEndpoint, Json, Router, Valid, Validate};
///
/// #[derive(Deserialize)]
/// struct Order { count: u32 }
///
/// impl Validate for Order {
///     fn field_errors(&self) -> FieldErrors {
///         let mut errors = FieldErrors::new();
///         if self.count == 0 {
///             errors.add("count", "must be positive");
///         }
///         errors
///     }
/// }
///
/// let mut router = Router::new();
/// let handler = async |Valid(Json(order)): Valid<Json<Order>>| format!("{} ordered", order.count);
/// router.map(http::Method::POST, "/orders", HandlerEndpoint::new(handler));
/// ```
///
/// [`ExtractError::Invalid`]: crate::ExtractError::Invalid
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Valid<A>(pub A);

impl<A> Valid<A> {
    /// Returns the argument itself.
    pub fn into_inner(self) -> A {
        self.0
    }
}

impl<A: ValidArg> Valid<A> {
    fn check(arg: A) -> Result<Self, Error> {
        match arg.field_errors().into_result() {
            Ok(()) => Ok(Self(arg)),
            Err(errors) => Err(errors.with_names(A::NAMES).into()),
        }
    }
}

impl<A: FromRequestParts + ValidArg> FromRequestParts for Valid<A> {
    fn describe(description: &mut Description) {
        A::describe(description);
        description.responds(StatusCode::UNPROCESSABLE_ENTITY, &[]);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        Self::check(A::from_request_parts(parts).await?)
    }
}

impl<A: FromRequest + ValidArg> FromRequest for Valid<A> {
    fn describe(description: &mut Description) {
        A::describe(description);
        description.responds(StatusCode::UNPROCESSABLE_ENTITY, &[]);
    }

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        Self::check(A::from_request(parts, body).await?)
    }
}

impl<A: OptionalArg> OptionalArg for Valid<A> {
    fn is_absent(parts: &RequestParts) -> bool {
        A::is_absent(parts)
    }

    fn is_absent_without_content(parts: &RequestParts) -> bool {
        A::is_absent_without_content(parts)
    }
}

impl<A> Deref for Valid<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.0
    }
}

impl<A> DerefMut for Valid<A> {
    fn deref_mut(&mut self) -> &mut A {
        &mut self.0
    }
}

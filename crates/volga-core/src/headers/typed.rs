//! `TypedHeader`: a type for the value of a header. `IntoHeader`: anything that can be sent as a
//! header.

use http::{HeaderName, HeaderValue};

use crate::response::box_error::BoxError;

/// A type for the value of one header.
///
/// [`Header<T>`](crate::Header) is then an argument of a handler. To send a `T`, put it into the
/// header list of a response macro, or before the body in a tuple. For a header that holds any
/// text, [`headers!`](crate::headers!) declares a type.
///
/// ```
/// use http::{HeaderName, HeaderValue};
/// use volga_core::headers::TypedHeader;
///
/// /// How many attempts the client made before.
/// struct Attempts(u32);
///
/// impl TypedHeader for Attempts {
///     const NAME: HeaderName = HeaderName::from_static("x-attempts");
///     type Error = &'static str;
///
///     fn from_value(value: &HeaderValue) -> Result<Self, Self::Error> {
///         let number = value.to_str().ok().and_then(|text| text.parse().ok());
///         number.map(Attempts).ok_or("it is a number")
///     }
///
///     fn to_value(&self) -> HeaderValue {
///         self.0.into()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a header",
    label = "not a header",
    note = "declare one with `headers! {{ (ApiKey, \"x-api-key\") }}`, or implement `TypedHeader`; types for standard headers are in the module `headers`"
)]
pub trait TypedHeader: Sized {
    /// The name of the header.
    const NAME: HeaderName;

    /// Why a value is refused. The client sees its message.
    type Error: Into<BoxError>;

    /// Parses a value.
    ///
    /// # Errors
    ///
    /// Returns an error if the value is not valid for this header.
    fn from_value(value: &HeaderValue) -> Result<Self, Self::Error>;

    /// Returns the value to send.
    fn to_value(&self) -> HeaderValue;
}

/// An entry of the header list of a response: a [`TypedHeader`], or a pair of a name and a value.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a header",
    label = "neither a typed header nor a pair",
    note = "a header is a pair of name and value, `(\"x-id\", \"7\")`, or a type that implements `TypedHeader`",
    note = "names and values are texts, or `HeaderName` and `HeaderValue`; convert a number by `HeaderValue::from`"
)]
pub trait IntoHeader {
    /// Returns the name and the value.
    ///
    /// # Errors
    ///
    /// Returns an error if HTTP does not allow the name or the value. In a response it becomes a
    /// server error.
    fn into_header(self) -> Result<(HeaderName, HeaderValue), BoxError>;
}

#[diagnostic::do_not_recommend]
impl<T: TypedHeader> IntoHeader for T {
    fn into_header(self) -> Result<(HeaderName, HeaderValue), BoxError> {
        Ok((T::NAME, self.to_value()))
    }
}

impl<N, V> IntoHeader for (N, V)
where
    N: TryInto<HeaderName, Error: Into<BoxError>>,
    V: TryInto<HeaderValue, Error: Into<BoxError>>,
{
    fn into_header(self) -> Result<(HeaderName, HeaderValue), BoxError> {
        let name = self.0.try_into().map_err(Into::into)?;
        let value = self.1.try_into().map_err(Into::into)?;
        Ok((name, value))
    }
}

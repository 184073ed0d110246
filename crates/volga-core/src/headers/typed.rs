//! The traits: a type that is a header, and anything that can be sent as one.

use http::{HeaderName, HeaderValue};

use crate::response::box_error::BoxError;
use crate::response::error::Error;

/// A type that is the value of one header.
///
/// With it, [`Header<T>`](crate::Header) is an argument of a handler, and a `T` can be sent: in the header list of a response macro, or before the body in a tuple.
/// For a header that is any text, [`headers!`](crate::headers!) declares a type.
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
    message = "`{Self}` is no header",
    label = "no header",
    note = "declare one with `headers! {{ (ApiKey, \"x-api-key\") }}`, or implement `TypedHeader`; those of the standard are in the module `headers`"
)]
pub trait TypedHeader: Sized {
    /// The header's name.
    const NAME: HeaderName;

    /// Why a value is refused; the client reads it.
    type Error: Into<BoxError>;

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// Why the value is none of this header.
    fn from_value(value: &HeaderValue) -> Result<Self, Self::Error>;

    /// The value to send.
    fn to_value(&self) -> HeaderValue;
}

/// What the header list of a response takes: a [`TypedHeader`], or a pair of a name and a value.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no header",
    label = "neither a typed header nor a pair",
    note = "a header is a pair of name and value, `(\"x-id\", \"7\")`, or a type that implements `TypedHeader`",
    note = "names and values are texts, or `HeaderName` and `HeaderValue`; a number is a value after `HeaderValue::from`"
)]
pub trait IntoHeader {
    /// The name and the value.
    ///
    /// # Errors
    ///
    /// A name or value that HTTP does not allow, as an error of the server.
    fn into_header(self) -> Result<(HeaderName, HeaderValue), Error>;
}

#[diagnostic::do_not_recommend]
impl<T: TypedHeader> IntoHeader for T {
    fn into_header(self) -> Result<(HeaderName, HeaderValue), Error> {
        Ok((T::NAME, self.to_value()))
    }
}

impl<N, V> IntoHeader for (N, V)
where
    N: TryInto<HeaderName, Error: Into<BoxError>>,
    V: TryInto<HeaderValue, Error: Into<BoxError>>,
{
    fn into_header(self) -> Result<(HeaderName, HeaderValue), Error> {
        let name = self.0.try_into().map_err(Error::server_error)?;
        let value = self.1.try_into().map_err(Error::server_error)?;
        Ok((name, value))
    }
}

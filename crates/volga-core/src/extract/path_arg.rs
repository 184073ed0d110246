//! Path arguments by position: each takes the next `{argument}` of the route, from left to right.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::{
        NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize, NonZeroU8,
        NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128, NonZeroUsize,
    },
    path::PathBuf,
    str::FromStr,
};

use http::StatusCode;

use crate::extract::FromRequestParts;
use crate::extract::error::ExtractError;
use crate::handler::description::Description;
use crate::request::parts::RequestParts;
use crate::response::box_error::BoxError;
use crate::response::error::Error;

/// A type that takes the next `{argument}` of the path, percent-decoded.
///
/// These do: `String`, `Box<str>`, `Cow<'static, str>`, `PathBuf`, `char`, `bool`, all integers and
/// floats, `NonZero…`, IP and socket addresses. Implement it for a type of your own:
///
/// ```
/// use volga_core::{FromPathArg, HandlerEndpoint};
///
/// struct Sku(u32);
///
/// impl FromPathArg for Sku {
///     type Error = &'static str;
///
///     fn from_path_arg(text: &str) -> Result<Self, Self::Error> {
///         let digits = text.strip_prefix("sku-").ok_or("it starts with `sku-`")?;
///         digits.parse().map(Sku).map_err(|_| "a number follows `sku-`")
///     }
/// }
///
/// # let mut router = volga_core::Router::new();
/// router.map(http::Method::GET, "/items/{sku}", HandlerEndpoint::new(|Sku(n): Sku| n));
/// ```
///
/// A text that it refuses is status 400, with the name of the argument and the reason. For one that
/// should rather be 404, constrain the pattern: `{id:int}`.
pub trait FromPathArg: Sized {
    /// Why a text is refused; the client reads it.
    type Error: Into<BoxError>;

    /// Makes the value of the decoded text, which is not empty. It may hold a `/` or be `..`, since
    /// those can be encoded.
    ///
    /// # Errors
    ///
    /// Why the text is none.
    fn from_path_arg(text: &str) -> Result<Self, Self::Error>;
}

#[diagnostic::do_not_recommend]
impl<T: FromPathArg> FromRequestParts for T {
    fn describe(description: &mut Description) {
        description.reads_path_arg().responds(StatusCode::BAD_REQUEST, &[]);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        let (name, text) = parts.next_path_arg().ok_or_else(|| {
            // Mapping has counted the arguments, so this is an endpoint that was called past the
            // router.
            let reason = "the handler takes more than there are".to_owned();
            ExtractError::PathShape { reason }
        })??;
        T::from_path_arg(&text).map_err(|error| {
            let reason = error.into().to_string();
            ExtractError::PathArg { name: name.to_owned(), reason }.into()
        })
    }
}

macro_rules! path_args {
    ($($type:ty),* $(,)?) => { $(
        impl FromPathArg for $type {
            type Error = <Self as FromStr>::Err;

            fn from_path_arg(text: &str) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    )* };
}

#[rustfmt::skip]
path_args!(
    String, bool, char, PathBuf,
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr,
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64,
    NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128, NonZeroUsize,
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize,
);

impl FromPathArg for Cow<'static, str> {
    type Error = std::convert::Infallible;

    fn from_path_arg(text: &str) -> Result<Self, Self::Error> {
        Ok(Self::Owned(text.to_owned()))
    }
}

impl FromPathArg for Box<str> {
    type Error = std::convert::Infallible;

    fn from_path_arg(text: &str) -> Result<Self, Self::Error> {
        Ok(text.into())
    }
}

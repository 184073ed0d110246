//! `FromPathArg`: path arguments by position. Each takes the next `{argument}` of the route.

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
/// `String`, `Box<str>`, `Cow<'static, str>`, `PathBuf`, `char`, `bool`, all integers and floats,
/// `NonZero…`, and IP and socket addresses implement it. Implement it for your own type:
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
/// If the text is refused, the status is 400, and the message has the name of the argument and the
/// reason. To get status 404 instead, add a constraint to the pattern: `{id:int}`.
pub trait FromPathArg: Sized {
    /// Why a text is refused. The client sees its message.
    type Error: Into<BoxError>;

    /// Parses the decoded text, which is not empty. The text may contain a `/` or be `..`, because
    /// both can be encoded.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a value of this type.
    fn from_path_arg(text: &str) -> Result<Self, Self::Error>;
}

#[diagnostic::do_not_recommend]
impl<T: FromPathArg> FromRequestParts for T {
    fn describe(description: &mut Description) {
        description.reads_path_arg().responds(StatusCode::BAD_REQUEST, &[]);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        let (name, text) = parts.next_path_arg().ok_or_else(|| {
            // The router has checked the number of arguments, so this endpoint was called without
            // the router.
            let reason = "the handler takes more arguments than the route has".to_owned();
            ExtractError::PathShape { reason }
        })??;
        T::from_path_arg(&text).map_err(|error| {
            let reason = error.into().to_string();
            ExtractError::PathArg { name: name.to_owned(), reason }.into()
        })
    }
}

/// Takes the next `{argument}` of the path and leaves it out.
///
/// A handler that takes path arguments by position takes all arguments of its pattern and of the
/// prefixes around it. Otherwise its arguments would shift when a prefix gets another argument.
///
/// ```
/// use volga_core::{HandlerEndpoint, Router, SkipPathArg};
///
/// let order = |_: SkipPathArg, number: u32| format!("order {number}");
/// # let mut router = Router::new();
/// router.map(http::Method::GET, "/users/{user}/orders/{number}", HandlerEndpoint::new(order));
/// # router.check().unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SkipPathArg;

impl FromRequestParts for SkipPathArg {
    fn describe(description: &mut Description) {
        description.reads_path_arg();
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        parts.skip_path_arg();
        Ok(Self)
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

//! Path arguments by position: each takes the next `{argument}` of the route, from left to right.

use std::{
    borrow::Cow,
    fmt::Display,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::{
        NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize, NonZeroU8,
        NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128, NonZeroUsize,
    },
    path::PathBuf,
    str::FromStr,
};

use crate::{Error, FromRequestParts, RequestParts};

/// Takes the next path argument and parses it.
fn next<T>(parts: &mut RequestParts) -> Result<T, Error>
where
    T: FromStr<Err: Display>,
{
    let (name, text) = parts.next_path_arg().ok_or_else(|| {
        // Mapping has counted the arguments, so this is an endpoint that was called past the router.
        Error::server_error("the route has fewer path arguments than its handler takes")
    })??;
    text.parse().map_err(|error| Error::client_error(format!("path argument `{name}`: {error}")))
}

macro_rules! path_args {
    ($($type:ty),* $(,)?) => { $(
        impl FromRequestParts for $type {
            const PATH_ARGS: usize = 1;

            async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
                next(parts)
            }
        }
    )* };
}

path_args!(
    String,
    bool,
    char,
    PathBuf,
    IpAddr,
    Ipv4Addr,
    Ipv6Addr,
    SocketAddr, //
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    f32,
    f64, //
    NonZeroU8,
    NonZeroU16,
    NonZeroU32,
    NonZeroU64,
    NonZeroU128,
    NonZeroUsize, //
    NonZeroI8,
    NonZeroI16,
    NonZeroI32,
    NonZeroI64,
    NonZeroI128,
    NonZeroIsize,
);

impl FromRequestParts for Cow<'static, str> {
    const PATH_ARGS: usize = 1;

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        next(parts).map(Cow::Owned)
    }
}

impl FromRequestParts for Box<str> {
    const PATH_ARGS: usize = 1;

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        next::<String>(parts).map(String::into_boxed_str)
    }
}

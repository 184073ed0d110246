//! `Handler`: functions that respond to requests, and their arguments.

use std::future::Future;

use crate::extract::{FromRequest, FromRequestParts, refuses_large_body};
use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::parts::RequestParts;
use crate::response::error::Error;

/// A function that responds to requests. It is async or not, and has up to ten arguments.
///
/// Every argument implements [`FromRequestParts`]. The last one may implement [`FromRequest`]
/// instead, and may then take the body. The result implements
/// [`IntoResponse`](crate::IntoResponse), or is a future of such a value. The compiler infers
/// `Args`, the tuple of the arguments.
///
/// A closure may capture values that implement `Clone`, and may use them up: each request calls a
/// clone of the closure.
///
/// ```
/// use std::sync::Arc;
/// use volga_core::HandlerEndpoint;
///
/// let greeting = Arc::new("hello".to_owned());
/// let endpoint = HandlerEndpoint::new(async move |name: String| format!("{greeting}, {name}"));
/// # let mut router = volga_core::Router::new();
/// # router.map(http::Method::GET, "/{name}", endpoint);
/// ```
#[diagnostic::on_unimplemented(
    message = "this is not a handler: a handler is a function or closure with up to ten arguments",
    label = "not a handler",
    note = "write `|| ..`, `async |id: u32| ..`, or the name of a function; a response alone is not a handler",
    note = "write the types of a closure's arguments: `|id: u32| ..`"
)]
pub trait Handler<Args> {
    /// The type that the function returns.
    type Output;

    /// Calls the function. Each request calls a clone of it.
    fn call(self, args: Args) -> Self::Output;
}

/// The arguments of a handler, as a tuple. The compiler infers `Via`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the arguments of a handler",
    label = "not arguments of a handler"
)]
pub trait HandlerArgs<Via>: Sized {
    /// Describes what all arguments together read and use.
    #[doc(hidden)]
    fn describe(description: &mut Description);

    /// Makes the arguments, from left to right.
    #[doc(hidden)]
    fn from_request(
        parts: RequestParts,
        body: HttpBody,
    ) -> impl Future<Output = Result<Self, Error>> + Send;
}

/// The arguments of a function that sees only the head of a request, as a tuple.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the arguments of a filter",
    label = "not arguments of a filter",
    note = "a filter takes arguments that implement `FromRequestParts`; the body belongs to the handler"
)]
pub trait PartsArgs: Sized {
    /// Describes what all arguments together read and use.
    #[doc(hidden)]
    fn describe(description: &mut Description);

    /// Makes the arguments, from left to right.
    #[doc(hidden)]
    fn from_parts(parts: &mut RequestParts) -> impl Future<Output = Result<Self, Error>> + Send;
}

impl<F, R> Handler<()> for F
where
    F: FnOnce() -> R,
{
    type Output = R;

    fn call(self, (): ()) -> R {
        self()
    }
}

impl HandlerArgs<()> for () {
    fn describe(_: &mut Description) {}

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        drop(body);
        parts.recycle();
        Ok(())
    }
}

impl PartsArgs for () {
    fn describe(_: &mut Description) {}

    async fn from_parts(_: &mut RequestParts) -> Result<Self, Error> {
        Ok(())
    }
}

/// Implements the traits for functions with arguments: the last argument gets the parts and the
/// body, the others get the parts.
macro_rules! handlers {
    ($( ($($arg:ident)*) $last:ident; )*) => { $(
        impl<F, R, $($arg,)* $last> Handler<($($arg,)* $last,)> for F
        where
            F: FnOnce($($arg,)* $last) -> R,
        {
            type Output = R;

            #[expect(non_snake_case, reason = "the arguments are named by their types")]
            fn call(self, ($($arg,)* $last,): ($($arg,)* $last,)) -> R {
                self($($arg,)* $last)
            }
        }

        impl<$($arg,)* $last> PartsArgs for ($($arg,)* $last,)
        where
            $($arg: FromRequestParts + Send,)*
            $last: FromRequestParts + Send,
        {
            fn describe(description: &mut Description) {
                $( description.head_only($arg::describe); )*
                description.head_only($last::describe);
            }

            async fn from_parts(parts: &mut RequestParts) -> Result<Self, Error> {
                parts.rewind_path_args();
                Ok(($($arg::from_request_parts(parts).await?,)* $last::from_request_parts(parts).await?,))
            }
        }

        impl<Via, $($arg,)* $last> HandlerArgs<Via> for ($($arg,)* $last,)
        where
            $($arg: FromRequestParts + Send,)*
            $last: FromRequest<Via>,
        {
            fn describe(description: &mut Description) {
                $( description.head_only($arg::describe); )*
                $last::describe(description);
            }

            #[expect(non_snake_case, reason = "the arguments are named by their types")]
            async fn from_request(
                mut parts: RequestParts,
                mut body: HttpBody,
            ) -> Result<Self, Error> {
                parts.rewind_path_args();
                $( let $arg = $arg::from_request_parts(&mut parts).await?; )*
                // Most requests have no body.
                if !body.is_empty() {
                    // The limit is applied again at each function, because a layer may have made
                    // the body longer by decompressing it.
                    body = parts.body_limit().apply(body);
                    if let Err(error) = body.check_limit()
                        && refuses_large_body::<$last, Via>()
                    {
                        return Err(error.into());
                    }
                }
                let $last = $last::from_request(parts, body).await?;
                Ok(($($arg,)* $last,))
            }
        }
    )* };
}

handlers! {
    () A1;
    (A1) A2;
    (A1 A2) A3;
    (A1 A2 A3) A4;
    (A1 A2 A3 A4) A5;
    (A1 A2 A3 A4 A5) A6;
    (A1 A2 A3 A4 A5 A6) A7;
    (A1 A2 A3 A4 A5 A6 A7) A8;
    (A1 A2 A3 A4 A5 A6 A7 A8) A9;
    (A1 A2 A3 A4 A5 A6 A7 A8 A9) A10;
}

//! Functions as endpoints.
//!
//! What a handler must be is said by three traits, each about one thing: the function
//! ([`Handler`]), its arguments ([`HandlerArgs`]) and its result ([`HandlerOutput`]). So the
//! compiler finds the arguments' types first, and names the one that is wrong.

pub(crate) mod description;
pub(crate) mod detached;

use std::{fmt, future::Future, future::Ready, marker::PhantomData, pin::Pin};

use crate::extract::{FromRequest, FromRequestParts, refuses_large_body};
use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::parts::RequestParts;
use crate::response::body_error_report::LateReporter;
use crate::response::catch_panic::CatchPanic;
use crate::response::error::Error;
use crate::response::into_response::{HttpResponse, IntoResponse};

/// A future that may move between threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a route leads to: it answers every request.
pub trait Endpoint: Send + Sync + 'static {
    /// Answers a request.
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse>;

    /// Says what it reads, which services it uses and what it may respond. Called when the router
    /// becomes a service and by its checks. An endpoint that does not say it may do anything.
    ///
    /// A route that has fewer arguments in its pattern than the endpoint takes is a fault.
    fn describe(&self, description: &mut Description) {
        description.reads_anything().responds_anything();
    }
}

/// A function that answers requests: async or not, with up to ten arguments.
///
/// Every argument is [`FromRequestParts`]; the last may be [`FromRequest`] and so take the body.
/// The result is [`IntoResponse`], or a future of one. The compiler finds `Args`, the tuple of the
/// arguments.
#[diagnostic::on_unimplemented(
    message = "this is no handler: a handler is a function or closure with up to ten arguments",
    label = "no handler",
    note = "write `|| ..`, `async |id: u32| ..`, or the name of a function; a response alone is none",
    note = "the types of a closure's arguments are named: `|id: u32| ..`"
)]
pub trait Handler<Args> {
    /// What the function returns.
    type Output;

    /// Calls the function.
    fn call(&self, args: Args) -> Self::Output;
}

/// The arguments of a handler, as a tuple. The compiler finds `Via`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the arguments of a handler",
    label = "no arguments"
)]
pub trait HandlerArgs<Via>: Sized {
    /// Says what they read and use, together.
    #[doc(hidden)]
    fn describe(description: &mut Description);

    /// Makes the arguments, from left to right.
    #[doc(hidden)]
    fn from_request(
        parts: RequestParts,
        body: HttpBody,
    ) -> impl Future<Output = Result<Self, Error>> + Send;
}

/// The arguments of a function that sees the head of a request only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the arguments of a filter",
    label = "no arguments",
    note = "a filter takes what needs the head of the request only, since the body belongs to the handler"
)]
pub trait PartsArgs: Sized {
    /// Says what they read and use, together.
    #[doc(hidden)]
    fn describe(description: &mut Description);

    /// Makes the arguments, from left to right.
    #[doc(hidden)]
    fn from_parts(parts: &mut RequestParts) -> impl Future<Output = Result<Self, Error>> + Send;
}

/// What a handler returns: a response, or a future of one. The compiler finds `Kind`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot become a response",
    label = "this is what the handler returns",
    note = "a handler returns text, bytes, a number, `()`, a `StatusCode`, `Json`, an `http::Response`, an `Option` or `Result` of one of them, a tuple of a status, headers and one of them, or what `ok!`, `status!` and `sse!` give; or a future of it",
    note = "a value of your own is returned as JSON: `Json(value)` or `ok!(value)`"
)]
pub trait HandlerOutput<Kind> {
    /// What becomes the response.
    type Value;
    /// What gives it.
    type Future: Future<Output = Self::Value>;

    /// The future of the value.
    #[doc(hidden)]
    fn into_future(self) -> Self::Future;
}

/// Marks a handler that returns a future.
#[derive(Debug)]
pub enum Async {}

/// Marks a handler that returns its result at once.
#[derive(Debug)]
pub enum Immediate {}

impl<F: Future> HandlerOutput<Async> for F {
    type Value = F::Output;
    type Future = F;

    fn into_future(self) -> F {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<R: IntoResponse> HandlerOutput<Immediate> for R {
    type Value = R;
    type Future = Ready<R>;

    fn into_future(self) -> Ready<R> {
        std::future::ready(self)
    }
}

/// Types that a value knows and does not hold.
pub(crate) type Marker<T> = PhantomData<fn() -> T>;

/// The last thing that is done to a response of a handler, before middleware sees it.
pub trait Finish: Clone + Send + Sync + 'static {
    /// Changes the response, or does nothing.
    fn finish(&self, response: &mut HttpResponse, reporter: LateReporter<'_>);
}

/// Does nothing.
impl Finish for () {
    fn finish(&self, _: &mut HttpResponse, _: LateReporter<'_>) {}
}

/// A handler as an endpoint: an error becomes the response that its status says.
pub struct HandlerEndpoint<H, Args, Via, Kind, Last = ()> {
    handler: H,
    last: Last,
    marker: Marker<(Args, Via, Kind)>,
}

impl<H, Args, Via, Kind> HandlerEndpoint<H, Args, Via, Kind>
where
    H: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse>>,
    H: Clone + Send + Sync + 'static,
    Args: HandlerArgs<Via> + Send + 'static,
{
    /// Makes an endpoint of a handler.
    pub fn new(handler: H) -> Self {
        Self { handler, last: (), marker: PhantomData }
    }

    /// Has this done to each response at last. An endpoint around this one could do the same, at
    /// the cost of a second future on the heap for each request.
    pub fn finished_by<Last: Finish>(
        self,
        last: Last,
    ) -> HandlerEndpoint<H, Args, Via, Kind, Last> {
        HandlerEndpoint { handler: self.handler, last, marker: PhantomData }
    }
}

impl<H, Args, Via, Kind, Last> Endpoint for HandlerEndpoint<H, Args, Via, Kind, Last>
where
    H: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse>>,
    H: Clone + Send + Sync + 'static,
    Args: HandlerArgs<Via> + Send + 'static,
    Via: 'static,
    Kind: 'static,
    Last: Finish,
{
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let handler = self.handler.clone();
        let last = self.last.clone();
        let responder = parts.responder();
        Box::pin(async move {
            // Made in here: a future that is moved into another one takes its place twice.
            let answer = CatchPanic::new(async move {
                let args = Args::from_request(parts, body).await?;
                handler.call(args).into_future().await.into_response()
            });
            let mut response = match answer.await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) | Err(error) => responder.respond_to(error).await,
            };
            last.finish(&mut response, LateReporter::new(&responder));
            response
        })
    }

    fn describe(&self, description: &mut Description) {
        Args::describe(description);
        <H::Output as HandlerOutput<Kind>>::Value::describe(description);
    }
}

impl<H, Args, Via, Kind, Last> fmt::Debug for HandlerEndpoint<H, Args, Via, Kind, Last> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerEndpoint").finish_non_exhaustive()
    }
}

impl<F, R> Handler<()> for F
where
    F: Fn() -> R,
{
    type Output = R;

    fn call(&self, (): ()) -> R {
        self()
    }
}

impl HandlerArgs<()> for () {
    fn describe(_: &mut Description) {}

    async fn from_request(_: RequestParts, body: HttpBody) -> Result<Self, Error> {
        drop(body);
        Ok(())
    }
}

impl PartsArgs for () {
    fn describe(_: &mut Description) {}

    async fn from_parts(_: &mut RequestParts) -> Result<Self, Error> {
        Ok(())
    }
}

/// Every argument but the last is made of the parts, the last of everything.
macro_rules! handlers {
    ($( ($($arg:ident)*) $last:ident; )*) => { $(
        impl<F, R, $($arg,)* $last> Handler<($($arg,)* $last,)> for F
        where
            F: Fn($($arg,)* $last) -> R,
        {
            type Output = R;

            #[expect(non_snake_case, reason = "the arguments are named by their types")]
            fn call(&self, ($($arg,)* $last,): ($($arg,)* $last,)) -> R {
                self($($arg,)* $last)
            }
        }

        impl<$($arg,)* $last> PartsArgs for ($($arg,)* $last,)
        where
            $($arg: FromRequestParts + Send,)*
            $last: FromRequestParts + Send,
        {
            fn describe(description: &mut Description) {
                $( description.of_head($arg::describe); )*
                description.of_head($last::describe);
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
                $( description.of_head($arg::describe); )*
                $last::describe(description);
            }

            #[expect(non_snake_case, reason = "the arguments are named by their types")]
            async fn from_request(mut parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
                parts.rewind_path_args();
                $( let $arg = $arg::from_request_parts(&mut parts).await?; )*
                // Again at each function: a layer may have made the body a longer one, by
                // decompressing it.
                let body = parts.body_limit().bind(body);
                if let Err(error) = body.check_limit()
                    && refuses_large_body::<$last, Via>()
                {
                    return Err(error.into());
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

#[cfg(test)]
mod tests {
    use http::{Method, StatusCode};
    use http_body_util::BodyExt;

    use super::*;
    use crate::request::parts::HttpRequest;
    use crate::routing::router::Router;

    /// Maps the handler at `/{a}/{b}/{c}` and asks for a path.
    #[track_caller]
    fn check<H, Args, Via, Kind>(handler: H, path: &str, status: u16, text: &str)
    where
        HandlerEndpoint<H, Args, Via, Kind>: Endpoint,
        H: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse>>,
        H: Clone + Send + Sync + 'static,
        Args: HandlerArgs<Via> + Send + 'static,
    {
        let mut router = Router::new();
        router.map(Method::POST, "/{a}/{b}/{c}", HandlerEndpoint::new(handler));
        let service = router.into_service().unwrap();
        let request = http::Request::post(path).header("accept", "text/plain");
        let request = request.body(HttpBody::full("body")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (found, body) = runtime.block_on(async {
            let response = service.respond(request).await;
            (response.status(), response.into_body().collect().await.unwrap().to_bytes())
        });
        assert_eq!((found.as_u16(), &*body), (status, text.as_bytes()));
    }

    #[test]
    fn functions_of_every_kind_are_handlers() {
        async fn named(a: String, body: HttpRequest) -> String {
            format!("{a} {}", body.uri())
        }
        check(|| "sync", "/1/2/3", 200, "sync");
        check(|| async { "async" }, "/1/2/3", 200, "async");
        check(async || "async closure", "/1/2/3", 200, "async closure");
        check(named, "/1/2/3", 200, "1 /1/2/3");
        check(|a: u8, b: i64, c: char| format!("{a} {b} {c}"), "/1/-2/x", 200, "1 -2 x");
        check(|body: HttpBody| async { body }, "/1/2/3", 200, "body");
        check(|| async { Err::<(), _>(Error::client_error("no")) }, "/1/2/3", 400, "no");
        check(|| StatusCode::IM_A_TEAPOT, "/1/2/3", 418, "");
    }

    #[test]
    fn path_arguments_come_in_order_decoded_and_parsed() {
        check(|a: String, b: Box<str>| format!("{a}|{b}"), "/a%20b/c+%2F/3", 200, "a b|c+/");
        let expect = "path argument `a`: invalid digit found in string";
        check(|a: u8| a, "/x/2/3", 400, expect);
        check(
            |a: u8| a,
            "/256/2/3",
            400,
            "path argument `a`: number too large to fit in target type",
        );
        check(|a: String| a, "/%ff/2/3", 400, "path argument `a`: malformed percent-encoding");
    }
}

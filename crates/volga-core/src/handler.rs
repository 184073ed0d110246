//! Functions as endpoints.

use std::{fmt, future::Future, marker::PhantomData, pin::Pin};

use crate::{
    FromRequest, FromRequestParts, HttpBody, HttpResponse, HttpResult, IntoResponse, RequestParts,
    response::error_response,
};

/// A future that may move between threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a route leads to: it answers every request.
pub trait Endpoint: Send + Sync + 'static {
    /// Answers a request.
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse>;
}

/// A function that answers requests: async or not, with up to ten arguments.
///
/// Every argument is [`FromRequestParts`]; the last may be [`FromRequest`] and so take the body. The result is [`IntoResponse`], or
/// a future of one. `Args` and `Kind` are found by the compiler.
#[diagnostic::on_unimplemented(
    message = "this function is no handler: one of its arguments cannot be made of a request, or its result is no response",
    label = "no handler",
    note = "a handler takes up to ten arguments: path arguments (`String`, numbers, …), types that implement `FromRequestParts`, and as the last one also what takes the body",
    note = "a handler returns text, bytes, a number, `()`, a `StatusCode`, an `http::Response`, what `ok!` and `sse!` give, or an `Option` or `Result` of one of them; or a future of it",
    note = "a closure must be `Clone + Send + Sync + 'static`, and so is what it captures: use `move`, and an `Arc` for what is shared"
)]
pub trait Handler<Args, Kind>: Clone + Send + Sync + 'static {
    /// How many path arguments it takes.
    #[doc(hidden)]
    const PATH_ARGS: usize;

    /// Makes the arguments, calls the function and makes the response.
    fn call(
        &self,
        parts: RequestParts,
        body: HttpBody,
    ) -> impl Future<Output = HttpResult> + Send + 'static;
}

/// Marks a handler that returns a future.
#[derive(Debug)]
pub enum Async {}

/// Marks a handler that returns its result at once.
#[derive(Debug)]
pub enum Immediate {}

/// A handler as an endpoint: an error becomes the response that its status says.
pub struct HandlerEndpoint<H, Args, Kind> {
    handler: H,
    marker: PhantomData<fn() -> (Args, Kind)>,
}

impl<H: Handler<Args, Kind>, Args, Kind> HandlerEndpoint<H, Args, Kind> {
    /// Makes an endpoint of a handler.
    pub fn new(handler: H) -> Self {
        Self { handler, marker: PhantomData }
    }
}

impl<H, Args, Kind> Endpoint for HandlerEndpoint<H, Args, Kind>
where
    H: Handler<Args, Kind>,
    Args: 'static,
    Kind: 'static,
{
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let result = self.handler.call(parts, body);
        Box::pin(async move { result.await.unwrap_or_else(error_response) })
    }
}

impl<H, Args, Kind> fmt::Debug for HandlerEndpoint<H, Args, Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerEndpoint").finish_non_exhaustive()
    }
}

impl<F, Fut> Handler<(), Async> for F
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse> + Send + 'static,
{
    const PATH_ARGS: usize = 0;

    fn call(
        &self,
        _: RequestParts,
        _: HttpBody,
    ) -> impl Future<Output = HttpResult> + Send + 'static {
        let result = self();
        async move { result.await.into_response() }
    }
}

impl<F, R> Handler<(), Immediate> for F
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: IntoResponse + 'static,
{
    const PATH_ARGS: usize = 0;

    fn call(
        &self,
        _: RequestParts,
        _: HttpBody,
    ) -> impl Future<Output = HttpResult> + Send + 'static {
        std::future::ready(self().into_response())
    }
}

/// Every argument but the last is made of the parts, the last of everything.
macro_rules! handlers {
    ($( ($($arg:ident)*) $last:ident; )*) => { $(
        impl<F, Fut, Via, $($arg,)* $last> Handler<(Via, $($arg,)* $last,), Async> for F
        where
            F: Fn($($arg,)* $last) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output: IntoResponse> + Send + 'static,
            $($arg: FromRequestParts + Send + 'static,)*
            $last: FromRequest<Via> + Send + 'static,
        {
            const PATH_ARGS: usize = $last::PATH_ARGS $(+ $arg::PATH_ARGS)*;

            #[expect(non_snake_case, reason = "the arguments are named by their types")]
            fn call(
                &self,
                mut parts: RequestParts,
                body: HttpBody,
            ) -> impl Future<Output = HttpResult> + Send + 'static {
                let handler = self.clone();
                async move {
                    parts.rewind_path_args();
                    $( let $arg = $arg::from_request_parts(&mut parts).await?; )*
                    let $last = $last::from_request(parts, body).await?;
                    handler($($arg,)* $last).await.into_response()
                }
            }
        }

        impl<F, R, Via, $($arg,)* $last> Handler<(Via, $($arg,)* $last,), Immediate> for F
        where
            F: Fn($($arg,)* $last) -> R + Clone + Send + Sync + 'static,
            R: IntoResponse + 'static,
            $($arg: FromRequestParts + Send + 'static,)*
            $last: FromRequest<Via> + Send + 'static,
        {
            const PATH_ARGS: usize = $last::PATH_ARGS $(+ $arg::PATH_ARGS)*;

            #[expect(non_snake_case, reason = "the arguments are named by their types")]
            fn call(
                &self,
                mut parts: RequestParts,
                body: HttpBody,
            ) -> impl Future<Output = HttpResult> + Send + 'static {
                let handler = self.clone();
                async move {
                    parts.rewind_path_args();
                    $( let $arg = $arg::from_request_parts(&mut parts).await?; )*
                    let $last = $last::from_request(parts, body).await?;
                    handler($($arg,)* $last).into_response()
                }
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
    use crate::{Error, HttpRequest, Router};

    /// Maps the handler at `/{a}/{b}/{c}` and asks for a path.
    #[track_caller]
    fn check<Args: 'static, Kind: 'static>(
        handler: impl Handler<Args, Kind>,
        path: &str,
        status: u16,
        text: &str,
    ) {
        let mut router = Router::new();
        router.map(Method::POST, "/{a}/{b}/{c}", HandlerEndpoint::new(handler));
        let service = router.into_service().unwrap();
        let request = http::Request::post(path).body(HttpBody::full("body")).unwrap();
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

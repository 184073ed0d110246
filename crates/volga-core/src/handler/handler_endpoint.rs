//! `HandlerEndpoint`: a handler as an endpoint.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::handler::box_future::BoxFuture;
use crate::handler::description::Description;
use crate::handler::function::{Handler, HandlerArgs};
use crate::handler::output::{HandlerOutput, Marker};
use crate::request::body::HttpBody;
use crate::request::parts::{Endpoint, RequestParts};
use crate::response::catch_panic::CatchPanic;
use crate::response::into_response::{HttpResponse, IntoResponse};
use crate::response::lost_request::respond_to_lost_request;
use crate::response::response_check::ResponseOrigin;

/// A handler as an [`Endpoint`]. An error becomes a response with the error's status.
pub struct HandlerEndpoint<H, Args, Via, Kind, Out> {
    handler: H,
    has_last_step: bool,
    marker: Marker<(Args, Via, Kind, Out)>,
}

impl<H, Args, Via, Kind, Out> HandlerEndpoint<H, Args, Via, Kind, Out>
where
    H: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>>,
    H: Clone + Send + Sync + 'static,
    Args: HandlerArgs<Via> + Send + 'static,
{
    /// Creates an endpoint from a handler.
    pub fn new(handler: H) -> Self {
        Self { handler, has_last_step: false, marker: PhantomData }
    }

    /// Adds the [last step](crate::ResponseWatch::finish) of the app for each response.
    ///
    /// [`FinishEndpoint`](crate::FinishEndpoint) does the same for any endpoint, at the cost of a
    /// second boxed future for each request.
    #[must_use]
    pub fn with_last_step(self) -> Self {
        Self { has_last_step: true, ..self }
    }
}

impl<H, Args, Via, Kind, Out> Endpoint for HandlerEndpoint<H, Args, Via, Kind, Out>
where
    H: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>>,
    H: Clone + Send + Sync + 'static,
    Args: HandlerArgs<Via> + Send + 'static,
    Via: 'static,
    Kind: 'static,
    Out: 'static,
{
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        if parts.is_state_lost() {
            return respond_to_lost_request(parts.responder());
        }
        let handler = self.handler.clone();
        let has_last_step = self.has_last_step;
        let responder = parts.responder();
        Box::pin(async move {
            // Created inside the block: a future that is moved into another one takes up its size
            // twice.
            let response = CatchPanic::new(async move {
                let args = Args::from_request(parts, body).await?;
                handler.call(args).into_future().await.into_response()
            });
            // A response moves as little as possible, because it is large.
            let error = match response.await {
                Ok(mut response) => match responder.check(&response, ResponseOrigin::Handler) {
                    Ok(()) => {
                        if has_last_step {
                            responder.finish(&mut response);
                        }
                        return response;
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            let mut response = Arc::clone(&responder).respond_boxed(error).await;
            if has_last_step {
                responder.finish(&mut response);
            }
            response
        })
    }

    fn describe(&self, description: &mut Description) {
        Args::describe(description);
        <H::Output as HandlerOutput<Kind>>::Value::describe(description);
    }

    fn catches_panics(&self) -> bool {
        true
    }
}

impl<H, Args, Via, Kind, Out> fmt::Debug for HandlerEndpoint<H, Args, Via, Kind, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerEndpoint").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::{Method, StatusCode};
    use http_body_util::BodyExt;

    use super::*;
    use crate::extract::path::arg::SkipPathArg;
    use crate::request::parts::HttpRequest;
    use crate::response::error::Error;
    use crate::routing::router::Router;

    /// Maps the handler at `/{a}/{b}/{c}` and asks for a path.
    #[track_caller]
    fn check<H, Args, Via, Kind, Out>(handler: H, path: &str, status: u16, text: &str)
    where
        HandlerEndpoint<H, Args, Via, Kind, Out>: Endpoint,
        H: Handler<
                Args,
                Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>,
            >,
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
        async fn named(a: String, _: SkipPathArg, _: SkipPathArg, body: HttpRequest) -> String {
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
    fn closures_may_capture_and_use_up_what_they_captured() {
        let shared = std::sync::Arc::new("shared".to_owned());
        let owned = "owned".to_owned();
        let by_async = {
            let (shared, owned) = (shared.clone(), owned.clone());
            async move |a: String, _b: String, _c: String| {
                tokio::task::yield_now().await;
                format!("{shared} {owned} {a}")
            }
        };
        check(by_async, "/1/2/3", 200, "shared owned 1");
        let owned_only = owned.clone();
        check(async move || owned_only, "/1/2/3", 200, "owned");
        let owned_only = owned.clone();
        check(move |_: HttpBody| owned_only, "/1/2/3", 200, "owned");
        let (first, second) = (owned.clone(), shared.clone());
        check(move || async move { first + &second }, "/1/2/3", 200, "ownedshared");
        let mut count = 0;
        let counts = move || {
            count += 1;
            count
        };
        check(counts, "/1/2/3", 200, "1");
    }

    #[test]
    fn path_arguments_come_in_order_decoded_and_parsed() {
        check(
            |a: String, b: Box<str>, _: SkipPathArg| format!("{a}|{b}"),
            "/a%20b/c+%2F/3",
            200,
            "a b|c+/",
        );
        check(|_: SkipPathArg, _: SkipPathArg, c: u8| c, "/x/%ff/3", 200, "3");
        let first = |a: u8, _: SkipPathArg, _: SkipPathArg| a;
        let expect = "path argument `a`: invalid digit found in string";
        check(first, "/x/2/3", 400, expect);
        check(first, "/256/2/3", 400, "path argument `a`: number too large to fit in target type");
        check(
            |a: String, _: SkipPathArg, _: SkipPathArg| a,
            "/%ff/2/3",
            400,
            "path argument `a`: malformed percent-encoding",
        );
    }
}

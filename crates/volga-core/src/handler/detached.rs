//! `detached`: a handler that finishes although its client has left.

use std::{
    fmt,
    future::{Future, poll_fn},
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    task::Poll,
    thread,
};

use http::StatusCode;
use tokio::sync::oneshot;

use crate::handler::box_future::BoxFuture;
use crate::handler::description::Description;
use crate::handler::function::{Handler, HandlerArgs};
use crate::handler::output::{HandlerOutput, Marker};
use crate::request::body::HttpBody;
use crate::request::context::RequestContext;
use crate::request::parts::RequestParts;
use crate::response::error::Error;
use crate::response::into_response::{HttpResult, IntoResponse};

/// Lets a handler finish although its client has left.
///
/// An ordinary handler is dropped at its next `.await` when its client leaves, so its work may stay
/// half done. A detached handler runs in its own task. The task starts when the arguments have been
/// extracted, and ends when the handler has returned its response.
///
/// The [`CancellationToken`](crate::CancellationToken) still fires when the client leaves, and
/// scoped services live until the handler is done. If the client has left by then, the response is
/// dropped, together with a stream that is its body.
///
/// ```
/// use volga_core::{HandlerEndpoint, detached};
///
/// async fn pay(order: u32) -> &'static str {
///     // Charge, then book: never one without the other.
///     # let _ = order;
///     "paid"
/// }
///
/// let endpoint = HandlerEndpoint::new(detached(pay));
/// # let mut router = volga_core::Router::new();
/// # router.map(http::Method::POST, "/orders/{order}/pay", endpoint);
/// ```
///
/// # Panics
///
/// A panic of the handler panics in the request that waits for it. If the client has left, it
/// panics in the task.
pub fn detached<H, Args, Kind, Out>(handler: H) -> DetachedHandler<H, Kind, Out>
where
    H: Handler<Args, Output: HandlerOutput<Kind, Value: IntoResponse<Out>>>,
{
    DetachedHandler { handler, marker: PhantomData }
}

/// A handler that finishes although its client has left. [`detached`] creates it.
pub struct DetachedHandler<H, Kind, Out> {
    handler: H,
    marker: Marker<(Kind, Out)>,
}

impl<H: Clone, Kind, Out> Clone for DetachedHandler<H, Kind, Out> {
    fn clone(&self) -> Self {
        Self { handler: self.handler.clone(), marker: PhantomData }
    }
}

impl<H, Kind, Out> fmt::Debug for DetachedHandler<H, Kind, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detached").finish_non_exhaustive()
    }
}

impl<H, Args, Kind, Out> Handler<DetachedArgs<Args>> for DetachedHandler<H, Kind, Out>
where
    H: Handler<Args, Output: HandlerOutput<Kind, Future: Send + 'static, Value: IntoResponse<Out>>>,
    H: Clone + Send + Sync + 'static,
    Args: Send + 'static,
    Kind: 'static,
    Out: 'static,
{
    type Output = BoxFuture<DetachedResponse<<H::Output as HandlerOutput<Kind>>::Value, Out>>;

    fn call(self, DetachedArgs { args, context }: DetachedArgs<Args>) -> Self::Output {
        let handler = self.handler;
        let handler = async move { handler.call(args).into_future().await.into_response() };
        Box::pin(async move { DetachedResponse(run(context, handler).await, PhantomData) })
    }
}

/// The response of a detached handler, which has the description of the value that it was.
#[derive(Debug)]
pub struct DetachedResponse<V, Out>(HttpResult, Marker<(V, Out)>);

impl<V: IntoResponse<Out>, Out> IntoResponse for DetachedResponse<V, Out> {
    fn into_response(self) -> HttpResult {
        self.0
    }

    fn describe(description: &mut Description) {
        V::describe(description);
    }
}

/// The arguments of a detached handler, and the context of its request, which lives until the
/// handler is done.
#[derive(Debug)]
pub struct DetachedArgs<Args> {
    args: Args,
    context: RequestContext,
}

impl<Args: HandlerArgs<Via>, Via> HandlerArgs<Via> for DetachedArgs<Args> {
    fn describe(description: &mut Description) {
        Args::describe(description);
    }

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        let context = parts.context().clone();
        let args = Args::from_request(parts, body).await?;
        Ok(Self { args, context })
    }
}

/// Runs a handler in a task of its own, and waits for it.
async fn run(
    context: RequestContext,
    handler: impl Future<Output = HttpResult> + Send + 'static,
) -> HttpResult {
    let Some(spawner) = context.spawner().cloned() else {
        return Err(Error::server_error(
            "detached handlers need a spawner: add `AppContext::with_spawner(..)`",
        ));
    };
    let (sender, receiver) = oneshot::channel();
    spawner.spawn(Box::pin(async move {
        let result = catch_panic(handler).await;
        // Dropped before the result is sent. The receiver checks whether the scope and the token
        // are still in use, and must not see the references of this task.
        drop(context);
        if let Err(Err(panic)) = sender.send(result) {
            resume_unwind(panic);
        }
    }));
    match receiver.await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => Err(Error::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the task of the detached handler ended before the handler was done",
        )),
    }
}

/// Returns the result of a future, or the value with which it panicked. The future is dropped
/// before that.
async fn catch_panic<F: Future>(future: F) -> thread::Result<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        // After a panic the future is not polled again, so no code sees it in a half-changed state.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{
        panic,
        sync::{Arc, mpsc},
        task::{Context, Waker},
    };

    use tokio::sync::Semaphore;

    use super::*;
    use crate::extract::FromRequestParts;
    use crate::extract::body::json::Json;
    use crate::handler::handler_endpoint::HandlerEndpoint;
    use crate::request::app_context::AppHandle;
    use crate::request::app_context::{AppContext, Spawner};
    use crate::request::cancel::CancellationToken;
    use crate::request::context::RequestGuard;
    use crate::request::parts::Endpoint;
    use crate::request::path_args::PathArgs;
    use crate::response::error_format::ErrorFormat;
    use crate::response::reporter::Reporter;
    use crate::response::responder::Responder;
    use crate::services::builder::ServicesBuilder;
    use crate::services::dc::Dc;
    use crate::services::needs::Needs;

    /// The parts of a request to an app whose detached handlers run on this runtime.
    fn parts() -> RequestParts {
        let mut services = ServicesBuilder::new();
        services.add_scoped_factory(|| Ok(Arc::new(())));
        let spawner = Spawner::new(|task| {
            tokio::spawn(task);
        });
        parts_of(AppContext::new(services.build().unwrap()).with_spawner(spawner))
    }

    fn parts_of(app: AppContext) -> RequestParts {
        let (head, body) = http::Request::new(HttpBody::empty()).into_parts();
        let mut parts = RequestParts::new(head, PathArgs::default(), &body);
        let reporter = Some(Reporter::new(&AppHandle::new(app, [].into()), &parts));
        let format = ErrorFormat::default();
        parts.set_responder(Responder::new(&parts.headers, None, format, reporter));
        parts
    }

    /// Polls once and drops, as a server does when the client leaves.
    fn leave(future: impl Future) {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(future).poll(&mut cx).is_pending());
    }

    #[tokio::test]
    async fn the_handler_finishes_although_the_client_left_and_its_token_fires() {
        let (go, done) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let handler = {
            let (go, done) = (Arc::clone(&go), Arc::clone(&done));
            move |token: CancellationToken| {
                let (go, done) = (Arc::clone(&go), Arc::clone(&done));
                async move {
                    token.cancelled().await;
                    go.acquire().await.unwrap().forget();
                    done.add_permits(1);
                }
            }
        };
        let endpoint = HandlerEndpoint::new(detached(handler));
        let mut parts = parts();
        let mut needs = Needs::default();
        needs.add_anything();
        let guard = RequestGuard::begin(&needs, &mut parts.state_mut().context);
        let response = endpoint.call(parts, HttpBody::empty());
        leave(async move {
            guard.attach(&mut response.await);
        });
        go.add_permits(1);
        let _done = done.acquire().await.unwrap();
    }

    #[tokio::test]
    async fn scoped_services_live_until_the_handler_is_done() {
        let (send, receive) = mpsc::channel();
        let go = Arc::new(Semaphore::new(0));
        let mut parts = parts();
        let mut needs = Needs::default();
        needs.add_anything();
        let guard = RequestGuard::begin(&needs, &mut parts.state_mut().context);
        let service = Dc::<Arc<()>>::from_request_parts(&mut parts).await.unwrap();
        let weak = Arc::downgrade(&*service);
        drop(service);
        let handler = {
            let (weak, go) = (weak.clone(), Arc::clone(&go));
            move || {
                let (weak, go, send) = (weak.clone(), Arc::clone(&go), send.clone());
                async move {
                    go.acquire().await.unwrap().forget();
                    send.send(weak.upgrade().is_some()).unwrap();
                }
            }
        };
        let response = HandlerEndpoint::new(detached(handler)).call(parts, HttpBody::empty());
        leave(async move {
            guard.attach(&mut response.await);
        });
        go.add_permits(1);
        while weak.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
        assert!(receive.recv().unwrap());
    }

    #[tokio::test]
    async fn for_a_client_that_stays_it_responds_like_any_handler() {
        async fn ask<E: Endpoint>(endpoint: E) -> u16 {
            endpoint.call(parts(), HttpBody::full("{}")).await.status().as_u16()
        }
        assert_eq!(ask(HandlerEndpoint::new(detached(|| "sync"))).await, 200);
        assert_eq!(ask(HandlerEndpoint::new(detached(async || StatusCode::CREATED))).await, 201);
        let failing = || async { Err::<(), _>(Error::client_error("no")) };
        assert_eq!(ask(HandlerEndpoint::new(detached(failing))).await, 400);
        // The arguments are extracted before the task starts.
        assert_eq!(ask(HandlerEndpoint::new(detached(|_: Json<u8>| ""))).await, 415);
        let mut description = Description::new();
        HandlerEndpoint::new(detached(|_: u8, _: String| "")).describe(&mut description);
        assert_eq!(description.path_args(), 2);
    }

    #[tokio::test]
    async fn a_panic_reaches_the_waiting_request() {
        async fn panics() {
            panic!("at the handler");
        }
        // Not through an endpoint, which would turn the panic into a response.
        let args = DetachedArgs::from_request(parts(), HttpBody::empty()).await.unwrap();
        let response = detached(panics).call(args);
        let panic = tokio::spawn(response).await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"at the handler"));
    }

    #[tokio::test]
    async fn without_a_waiting_request_the_task_panics() {
        let (send, receive) = mpsc::channel();
        let spawner = Spawner::new(move |task| send.send(tokio::spawn(task)).unwrap());
        let parts = parts_of(AppContext::default().with_spawner(spawner));
        let panics = || async {
            tokio::task::yield_now().await;
            panic!("alone")
        };
        let panics = move || async move {
            let (): () = panics().await;
        };
        leave(HandlerEndpoint::new(detached(panics)).call(parts, HttpBody::empty()));
        let panic = receive.recv().unwrap().await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"alone"));
    }

    #[tokio::test]
    async fn without_a_task_the_response_is_an_error() {
        let ask = async |app| {
            let endpoint = HandlerEndpoint::new(detached(|| ""));
            endpoint.call(parts_of(app), HttpBody::empty()).await.status().as_u16()
        };
        assert_eq!(ask(AppContext::default()).await, 500);
        assert_eq!(ask(AppContext::default().with_spawner(Spawner::new(drop))).await, 503);
    }
}

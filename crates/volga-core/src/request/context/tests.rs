//! The lifetime of scopes and tokens: from the first argument to the end of the response body.

use std::{future::Future, sync::mpsc, task::Waker};

use http_body_util::BodyExt;

use super::*;
use crate::extract::FromRequestParts;
use crate::extract::optional::OptionalArg;
use crate::request::app_context::AppContext;
use crate::request::parts::{Next, RequestParts};
use crate::request::path_args::PathArgs;
use crate::response::error_format::ErrorFormat;
use crate::services::builder::ServicesBuilder;

/// Sends its name when it is dropped.
struct DropReport(mpsc::Sender<&'static str>, &'static str);

impl Drop for DropReport {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

fn parts(app: &AppHandle) -> RequestParts {
    let (head, body) = http::Request::new(HttpBody::empty()).into_parts();
    let mut parts = RequestParts::new(head, PathArgs::default(), &body);
    let reporter = Some(Reporter::new(app, &parts));
    let format = ErrorFormat::default();
    parts.set_responder(Responder::new(&parts.headers, None, format, reporter));
    parts
}

fn app(register: impl FnOnce(&mut ServicesBuilder)) -> AppHandle {
    let mut builder = ServicesBuilder::new();
    register(&mut builder);
    AppHandle::new(AppContext::new(builder.build().unwrap()), [].into())
}

fn needing(add: impl FnOnce(&mut Needs)) -> Needs {
    let mut needs = Needs::default();
    add(&mut needs);
    needs
}

/// Does what an endpoint does, with a handler that gets the parts.
async fn respond<F>(needs: &Needs, mut parts: RequestParts, handler: F) -> HttpResponse
where
    F: AsyncFnOnce(RequestParts) -> HttpBody,
{
    let guard = RequestGuard::begin(needs, &mut parts.state_mut().context);
    let mut response = HttpResponse::new(handler(parts).await);
    guard.attach(&mut response);
    response
}

async fn token(parts: &mut RequestParts) -> CancellationToken {
    CancellationToken::from_request_parts(parts).await.unwrap()
}

fn stream() -> HttpBody {
    let frames = ["a", "b"].map(|text| Ok::<_, BoxError>(Bytes::from_static(text.as_bytes())));
    HttpBody::from_stream(Iter(frames.into_iter()))
}

struct Iter<I>(I);

impl<I: Iterator + Unpin> futures_core::Stream for Iter<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}

#[tokio::test]
async fn the_token_fires_when_the_body_is_dropped_finished_or_not() {
    for read in 0..=3 {
        for whole in [HttpBody::empty, || HttpBody::full("bytes"), stream] {
            let mut seen = None;
            let needs = needing(Needs::add_cancellation);
            let mut response = respond(&needs, parts(&app(|_| ())), async |mut parts| {
                seen = Some(token(&mut parts).await);
                whole()
            })
            .await;
            let token = seen.unwrap();
            for _ in 0..read {
                response.body_mut().frame().await;
            }
            let (head, body) = response.into_parts();
            drop(head);
            assert!(!token.is_cancelled(), "after {read} frames");
            drop(body);
            assert!(token.is_cancelled());
        }
    }
}

#[tokio::test]
async fn the_token_fires_when_the_handler_is_dropped_before_it_is_done() {
    let needs = needing(Needs::add_cancellation);
    let (send, receive) = mpsc::channel();
    let mut responding = Box::pin(respond(&needs, parts(&app(|_| ())), async |mut parts| {
        send.send(token(&mut parts).await).unwrap();
        std::future::pending().await
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(responding.as_mut().poll(&mut cx).is_pending());
    let token = receive.recv().unwrap();
    assert!(!token.is_cancelled());
    drop(responding);
    assert!(token.is_cancelled());
}

#[tokio::test]
async fn a_hook_waits_for_the_end_even_if_the_token_is_gone() {
    let (send, receive) = mpsc::channel();
    let needs = needing(Needs::add_cancellation);
    let response = respond(&needs, parts(&app(|_| ())), async |mut parts| {
        token(&mut parts).await.on_cancel(move || send.send(()).unwrap());
        HttpBody::empty()
    })
    .await;
    assert!(receive.try_recv().is_err());
    drop(response);
    receive.try_recv().unwrap();
}

#[tokio::test]
async fn each_request_has_a_token_of_its_own_and_its_middleware_has_the_same() {
    let needs = needing(Needs::add_cancellation);
    let app = app(|_| ());
    let mut tokens = Vec::new();
    for _ in 0..2 {
        respond(&needs, parts(&app), async |mut outer| {
            tokens.push(token(&mut outer).await);
            let inner = respond(&needs, outer, async |mut inner| {
                tokens.push(token(&mut inner).await);
                HttpBody::empty()
            });
            drop(inner.await);
            assert!(!tokens[tokens.len() - 1].is_cancelled(), "the outer request still goes on");
            HttpBody::empty()
        })
        .await;
        assert!(tokens.iter().all(CancellationToken::is_cancelled));
    }
}

#[tokio::test]
async fn a_scope_lives_as_long_as_the_body_and_ends_after_it() {
    let (send, receive) = mpsc::channel();
    let of_body = DropReport(send.clone(), "body");
    let app = app(|services| {
        services.add_scoped_factory(move || Ok(DropReport(send.clone(), "scope")));
    });
    let needs = needing(|needs| {
        needs.add_service::<DropReport>();
        needs.add_cancellation();
    });
    let mut response = respond(&needs, parts(&app), async |mut parts| {
        let first = Dc::<DropReport>::from_request_parts(&mut parts).await.unwrap();
        let again = Dc::<DropReport>::from_request_parts(&mut parts).await.unwrap();
        assert!(std::ptr::eq(&*first, &*again));
        let send = first.0.clone();
        token(&mut parts).await.on_cancel(move || send.send("token").unwrap());
        HttpBody::new(stream().map_frame(move |frame| {
            let _ = &of_body;
            frame
        }))
    })
    .await;
    assert!(response.body_mut().frame().await.is_some());
    assert!(receive.try_recv().is_err(), "the scope outlives the handler and a frame");
    drop(response);
    assert_eq!(receive.try_iter().collect::<Vec<_>>(), ["body", "token", "scope"]);
}

#[tokio::test]
async fn an_unneeded_scope_or_token_is_not_created_and_the_body_stays_as_it_is() {
    let plain = |response: HttpResponse| format!("{:?}", response.body());
    let handler = async |_: RequestParts| HttpBody::full("bytes");
    let nothing_scoped = app(|services| _ = services.add_singleton(1_u8));
    let scoped = app(|services| _ = services.add_scoped_factory(|| Ok(1_u8)));
    for (app, needs) in [
        (&scoped, needing(|_| ())),
        (&scoped, needing(Needs::add_service::<u8>)),
        (&scoped, needing(Needs::add_anything)),
        (&nothing_scoped, needing(Needs::add_service::<u8>)),
    ] {
        let response = respond(&needs, parts(app), handler).await;
        assert_eq!(plain(response), "HttpBody::Full(5 bytes)");
    }
    let guard = RequestGuard::begin(
        &needing(Needs::add_service::<u8>),
        &mut parts(&nothing_scoped).state_mut().context,
    );
    assert!(guard.scope.is_none() && guard.guard.is_none());
    let guard = RequestGuard::begin(&needing(|_| ()), &mut parts(&scoped).state_mut().context);
    assert!(guard.scope.is_none() && guard.guard.is_none());
    let guard =
        RequestGuard::begin(&needing(Needs::add_anything), &mut parts(&scoped).state_mut().context);
    assert!(guard.scope.is_some() && guard.guard.is_some());
}

#[tokio::test]
async fn the_length_and_the_end_of_a_body_are_still_known() {
    let needs = needing(Needs::add_cancellation);
    let mut kept = Vec::new();
    for (body, length) in
        [(HttpBody::empty(), Some(0)), (HttpBody::full("x"), Some(1)), (stream(), None)]
    {
        let is_end = body.is_end_stream();
        let response = respond(&needs, parts(&app(|_| ())), async |mut parts| {
            kept.push(token(&mut parts).await);
            body
        })
        .await;
        assert_eq!(response.body().size_hint().exact(), length);
        assert_eq!(response.body().is_end_stream(), is_end);
    }
}

#[tokio::test]
async fn singletons_and_transients_need_no_scope_and_a_missing_service_is_absent() {
    let app = app(|services| {
        services.add_singleton(1_u8).add_transient_factory(|number: Dc<u8>| Ok(u16::from(*number)));
    });
    let mut parts = parts(&app);
    assert_eq!(*Dc::<u16>::from_request_parts(&mut parts).await.unwrap(), 1);
    assert!(!Dc::<u8>::is_absent(&parts));
    assert!(Dc::<u32>::is_absent(&parts));
    assert_eq!(Dc::<u32>::from_request_parts(&mut parts).await.unwrap_err().status(), 500);
    let error = CancellationToken::from_request_parts(&mut parts).await.unwrap_err();
    assert_eq!(error.status(), 500);
}

#[test]
fn the_future_of_a_service_is_send() {
    fn is_send(_: impl Future + Send) {}
    let app = app(|_| ());
    let mut parts = parts(&app);
    is_send(Dc::<str>::from_request_parts(&mut parts));
}

/// Through a router: requests get the scope and the token that the endpoints declare.
mod routed {
    use http::{Method, StatusCode};

    use super::*;
    use crate::handler::handler_endpoint::HandlerEndpoint;
    use crate::middleware::HttpContext;
    use crate::middleware::with::NextCall;
    use crate::middleware::with::WithMiddleware;
    use crate::middleware::wrap::WrapMiddleware;
    use crate::routing::router::Router;
    use crate::routing::settings::{ScopeId, SettingsLevel};

    async fn ask(router: Router, path: &str) -> HttpResponse {
        let request = http::Request::get(path).body(HttpBody::empty()).unwrap();
        router.into_service().unwrap().respond(request).await
    }

    #[tokio::test]
    async fn handler_and_middleware_share_the_scope_and_the_token() {
        let (send, receive) = mpsc::channel();
        let mut services = ServicesBuilder::new();
        let made = send.clone();
        services.add_scoped_factory(move || {
            made.send("made").unwrap();
            Ok(DropReport(made.clone(), "dropped"))
        });
        let mut router = Router::new();
        let handler = move |service: Dc<DropReport>, token: CancellationToken| {
            let send = send.clone();
            token.on_cancel(move || send.send("fired").unwrap());
            service.1.to_owned()
        };
        router.map(Method::GET, "/", HandlerEndpoint::new(handler));
        let with = async |_: Dc<DropReport>, next: NextCall| next.await;
        router.add_middleware(SettingsLevel::Scope(ScopeId::ROOT), WithMiddleware::new(with));
        router.check_services(&services).unwrap();
        router.set_context(AppContext::new(services.build().unwrap()));
        let response = ask(router, "/").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(receive.try_iter().collect::<Vec<_>>(), ["made"]);
        drop(response);
        assert_eq!(receive.try_iter().collect::<Vec<_>>(), ["fired", "dropped"]);
    }

    #[tokio::test]
    async fn middleware_that_declares_nothing_gets_everything_even_without_a_route() {
        let mut services = ServicesBuilder::new();
        services.add_scoped_factory(|| Ok(7_u8));
        let mut router = Router::new();
        let wrap = async |mut ctx: HttpContext, next: Next| {
            let token = ctx.extract::<CancellationToken>().await.unwrap();
            assert_eq!(*ctx.extract::<Dc<u8>>().await.unwrap(), 7);
            let response = next.run(ctx).await;
            assert!(!token.is_cancelled());
            response
        };
        router.add_middleware(SettingsLevel::Scope(ScopeId::ROOT), WrapMiddleware::new(wrap));
        router.set_context(AppContext::new(services.build().unwrap()));
        assert_eq!(ask(router, "/nowhere").await.status(), 404);
    }

    #[test]
    fn a_missing_service_is_reported_with_its_route() {
        let mut services = ServicesBuilder::new();
        services.add_scoped_factory(|_: Dc<u16>| Ok(7_u8));
        let mut router = Router::new();
        let line = line!() + 1;
        router.map(Method::GET, "/a", HandlerEndpoint::new(|_: Dc<u8>, _: Dc<u32>| ""));
        router.map(Method::GET, "/b", HandlerEndpoint::new(|_: Option<Dc<u32>>| ""));
        let faults = router.check_services(&services).unwrap_err();
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("`u16` is needed by GET /a -> u8: add"), "{}", faults[0]);
        assert!(faults[1].contains(&format!("tests.rs:{line}:")), "{}", faults[1]);
        assert!(faults[1].contains("`u32` is needed by GET /a: add"), "{}", faults[1]);
    }

    #[tokio::test]
    async fn a_handler_that_panics_or_is_dropped_fires_the_token() {
        let (send, receive) = mpsc::channel();
        let panics = move |token: CancellationToken, path: String| {
            let send = send.clone();
            async move {
                token.on_cancel(move || send.send(()).unwrap());
                assert_ne!(path, "panic");
                std::future::pending::<()>().await;
            }
        };
        let mut router = Router::new();
        router.map(Method::GET, "/{a}", HandlerEndpoint::new(panics));
        let service = router.into_service().unwrap();
        let send =
            |path: &str| service.respond(http::Request::get(path).body(HttpBody::empty()).unwrap());
        let response = send("/panic").await;
        assert_eq!(response.status(), 500);
        assert!(receive.try_recv().is_err(), "the 500 is still to be sent");
        drop(response);
        receive.try_recv().unwrap();
        let mut waiting = send("/wait");
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(receive.try_recv().is_err());
        drop(waiting);
        receive.try_recv().unwrap();
    }
}

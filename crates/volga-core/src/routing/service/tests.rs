//! Responses with and without a route, and requests with extensions of the server.

use http::StatusCode;
use http_body_util::BodyExt;

use super::*;
use crate::extract::FromRequestParts;
use crate::extract::body::Text;
use crate::extract::extension::Extension;
use crate::extract::optional::OptionalArg;
use crate::handler::description::Description;
use crate::handler::handler_endpoint::HandlerEndpoint;
use crate::middleware::filter::Filter;
use crate::middleware::tap::TapRequest;
use crate::response::error::Error;
use crate::routing::router::Router;
use crate::routing::settings::{ScopeId, SettingsLevel};

async fn ask(service: &RouterService, method: Method, path: &str) -> HttpResponse {
    let request = Request::builder().method(method).uri(path).body(HttpBody::empty()).unwrap();
    service.respond(request).await
}

fn service() -> RouterService {
    let mut router = Router::new();
    router.map(Method::GET, "/a", HandlerEndpoint::new(|| "text"));
    router.map(Method::POST, "/a", HandlerEndpoint::new(|| StatusCode::CREATED));
    router.map(Method::OPTIONS, "/own", HandlerEndpoint::new(|| "own"));
    router.map(Method::GET, "/own/{x}", HandlerEndpoint::new(|| ""));
    router.into_service().unwrap()
}

/// If they shared one, the threads of a runtime would wait for each other at every request.
#[tokio::test]
async fn requests_of_different_connections_share_no_reference_count() {
    let mut router = Router::new();
    router.map(Method::GET, "/", HandlerEndpoint::new(|| "text").with_last_step());
    let service = router.into_service().unwrap();
    let (one, other) = (service.for_connection(), service.for_connection());
    let shared =
        |service: &RouterService| (Arc::strong_count(&service.0.routes), service.0.app.counts().1);
    let (shared_before, other_before) = (shared(&one), other.0.app.counts());
    let (own_before, _) = one.0.app.counts();
    // The clone is that of a request beside others, as HTTP/2 has them.
    let clone = one.clone();
    let requests: Vec<_> =
        (0..3).map(|_| clone.respond(Request::get("/").body(HttpBody::empty()).unwrap())).collect();
    assert_eq!((shared(&one), other.0.app.counts()), (shared_before, other_before));
    assert!(one.0.app.counts().0 >= own_before + 3, "each request holds the context of the app");
    for request in requests {
        assert_eq!(request.await.status(), 200);
    }
    assert_eq!(one.0.app.counts().0, own_before);
}

#[tokio::test]
async fn unknown_paths_and_methods_have_different_statuses() {
    let service = service();
    assert_eq!(ask(&service, Method::GET, "/b").await.status(), 404);
    assert_eq!(ask(&service, Method::GET, "/b%").await.status(), 400);
    let response = ask(&service, Method::PUT, "/a").await;
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["allow"], "GET, HEAD, POST");
}

#[tokio::test]
async fn known_paths_respond_to_options_unless_it_is_mapped() {
    let service = service();
    let response = ask(&service, Method::OPTIONS, "/a").await;
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()["allow"], "GET, HEAD, POST");
    assert_eq!(ask(&service, Method::OPTIONS, "/own").await.status(), 200);
    assert_eq!(ask(&service, Method::OPTIONS, "/b").await.status(), 404);
    assert_eq!(ask(&service, Method::OPTIONS, "*").await.status(), 204);
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let response = ask(&service(), Method::HEAD, "/a").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-length"], "4");
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
}

/// Whether the server is asked for its extensions, and whether the handler finds them.
async fn extended(router: Router, path: &str) -> (bool, bool) {
    let service = router.into_service().unwrap();
    let mut is_asked = false;
    let request = Request::get(path).body(HttpBody::empty()).unwrap();
    let response = service.call_extended(request, |extensions| {
        is_asked = true;
        extensions.insert("known");
    });
    let Ok(response) = response.await;
    let text = response.into_body().collect().await.unwrap().to_bytes();
    (is_asked, &*text == b"known")
}

#[tokio::test]
async fn the_server_is_asked_for_extensions_only_if_something_may_read_them() {
    fn map(router: &mut Router) {
        router.map(Method::GET, "/none", HandlerEndpoint::new(|| ""));
        router.map(Method::GET, "/{a}/head", HandlerEndpoint::new(|_: u8, _: Method| ""));
        router.map(Method::GET, "/body", HandlerEndpoint::new(async |_: Result<Text, Error>| ""));
        router.map(Method::GET, "/{a}/seen", HandlerEndpoint::new(sees));
        router.map(Method::GET, "/request", HandlerEndpoint::new(has));
        router.map(Method::GET, "/silent", HandlerEndpoint::new(|_: Silent| ""));
        router.map(Method::GET, "/modest", HandlerEndpoint::new(|_: Option<Modest>| ""));
    }
    impl OptionalArg for Modest {
        fn is_absent(_: &RequestParts) -> bool {
            true
        }
    }
    async fn sees(_: u8, text: Option<Extension<&'static str>>, _: Method) -> &'static str {
        text.map_or("", |text| *text)
    }
    async fn has(request: HttpRequest) -> &'static str {
        request.extensions().get().copied().unwrap_or_default()
    }
    /// An extractor that does not describe itself.
    struct Silent;
    impl FromRequestParts for Silent {
        async fn from_request_parts(_: &mut RequestParts) -> Result<Self, Error> {
            Ok(Self)
        }
    }
    /// An extractor whose description has no extensions.
    struct Modest;
    impl FromRequestParts for Modest {
        fn describe(description: &mut Description) {
            description.reads_query();
        }

        async fn from_request_parts(_: &mut RequestParts) -> Result<Self, Error> {
            Ok(Self)
        }
    }
    for (path, is_asked, is_found) in [
        ("/silent", true, false),
        ("/modest", false, false),
        ("/none", false, false),
        ("/1/head", false, false),
        ("/body", false, false),
        ("/1/seen", true, true),
        ("/request", true, true),
        ("/nowhere", true, false),
    ] {
        let mut router = Router::new();
        map(&mut router);
        assert_eq!(extended(router, path).await, (is_asked, is_found), "{path}");
    }
    let mut router = Router::new();
    map(&mut router);
    router.add_middleware(
        SettingsLevel::Scope(ScopeId::ROOT),
        TapRequest::new(|_: &mut RequestParts| {}),
    );
    assert!(extended(router, "/none").await.0, "middleware may read anything");
    let mut router = Router::new();
    map(&mut router);
    router.add_middleware(SettingsLevel::Scope(ScopeId::ROOT), Filter::new(|_: Method| true));
    assert!(!extended(router, "/none").await.0, "this filter says that it does not");
}

#[test]
fn the_route_of_a_request_is_found_without_calling_it() {
    let service = service();
    let found = service.find(&Method::HEAD, "/own/a%20b").unwrap();
    assert_eq!(found.pattern(), "/own/{x}");
    assert_eq!(found.raw_path_args().collect::<Vec<_>>(), [("x", "a%20b")]);
    assert!(service.find(&Method::PUT, "/a").is_none());
}

//! Error mappers and fallbacks, and the requests without a route.

use volga::{
    App, HttpBody, Json,
    error::{Error, Problem},
    http::{Extension, FromRequestParts, HeaderValue, Method, NoRoute, RequestParts, StatusCode},
    ok, status,
};

use super::{ask, map, text};

#[tokio::test]
async fn the_nearest_error_mapper_and_fallback_apply() {
    let mut app = App::new();
    app.group("/in", |group| {
        map(group);
        group
            .map_get("/own", || Err::<(), _>(Error::client_error("no")))
            .map_err(|_: Error| "route");
        group.map_err(async |error: Error| (error.status(), Json(error.to_string())));
        group.map_fallback(|| (StatusCode::NOT_FOUND, "group"));
    });
    app.map_get("/out", || Err::<(), _>(Error::client_error("no")));
    app.map_err(|_: Error| -> Result<(), Error> {
        Err(Error::new(StatusCode::BAD_GATEWAY, "again"))
    });
    app.map_fallback(async |request: volga::HttpRequest| format!("nothing at {}", request.uri()));
    let service = app.into_service().unwrap();
    assert_eq!(text(ask(&service, "GET", "/in/own").await).await, "route");
    let group = ask(&service, "GET", "/in/error").await;
    assert_eq!((group.status().as_u16(), &*text(group).await), (400, "\"no\""));
    assert_eq!(ask(&service, "GET", "/out").await.status(), 502, "an error of the mapper");
    assert_eq!(text(ask(&service, "GET", "/in/x/y").await).await, "group");
    assert_eq!(text(ask(&service, "GET", "/x").await).await, "nothing at /x");
    let method = ask(&service, "DELETE", "/out").await;
    assert_eq!(method.headers()["allow"], "GET, HEAD");
    assert_eq!(text(method).await, "nothing at /out");
}

#[tokio::test]
async fn a_fallback_learns_why_the_request_has_no_route() {
    let mut app = App::new();
    map(&mut app);
    app.map_fallback(|Extension(why): Extension<NoRoute>| match why {
        NoRoute::OtherMethods(_) => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::NOT_FOUND,
    });
    let service = app.into_service().unwrap();
    assert_eq!(ask(&service, "GET", "/nothing").await.status(), 404);
    let response = ask(&service, "DELETE", "/error").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (405, &HeaderValue::from_static("GET, HEAD"))
    );
}

#[tokio::test]
async fn a_fallback_of_a_route_gets_only_the_other_methods_of_its_path() {
    let mut app = App::new();
    app.map_get("/users/{id}", async |id: u32| ok!("{id}"))
        .map_fallback(async |id: u32, method: Method| status!(405, "{method} no {id}"))
        .wrap(|ctx, next| async move {
            let mut response = next.run(ctx).await;
            response.headers_mut().insert("x-route", HeaderValue::from_static("users"));
            response
        });
    app.map_put("/users/{id}", || ok!("put"));
    app.map_get("/users/me", || ok!("me"));
    let service = app.into_service().unwrap();
    let response = ask(&service, "DELETE", "/users/7").await;
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["allow"], "GET, HEAD, PUT");
    assert_eq!(response.headers()["x-route"], "users");
    assert_eq!(text(response).await, "DELETE no 7");
    assert_eq!(text(ask(&service, "PUT", "/users/7").await).await, "put");
    // The path of another route, and paths without a route.
    for (method, path) in [("DELETE", "/users/me"), ("GET", "/users/7/x"), ("GET", "/x")] {
        let response = ask(&service, method, path).await;
        assert!(!response.headers().contains_key("x-route"), "{method} {path}");
    }
}

#[test]
fn a_fallback_of_a_route_takes_no_more_arguments_than_its_pattern_has() {
    let mut app = App::new();
    app.map_get("/users/{id}", async |id: u32| ok!("{id}"))
        .map_fallback(async |a: u32, b: u32| ok!("{a} {b}"));
    let fault = app.check().unwrap_err().to_string();
    assert!(fault.contains("/users/{id}") && fault.contains("errors_and_fallbacks.rs"), "{fault}");
}

#[tokio::test]
async fn the_last_fallback_of_a_path_applies_and_the_group_has_the_rest() {
    let mut app = App::new();
    app.map_get("/a", || ok!("get")).map_fallback(|| "first");
    app.map_post("/a", || ok!("post")).map_fallback(|| "second");
    app.map_get("/b", || ok!("get"));
    app.map_fallback(|| "app");
    let service = app.into_service().unwrap();
    assert_eq!(text(ask(&service, "PUT", "/a").await).await, "second");
    assert_eq!(text(ask(&service, "PUT", "/b").await).await, "app");
    assert_eq!(text(ask(&service, "GET", "/c").await).await, "app");
}

#[tokio::test]
async fn a_group_without_a_prefix_responds_for_its_own_routes_only() {
    let mut app = App::new();
    app.group("", |group| {
        group.filter(|| Err::<(), _>(Error::new(StatusCode::UNAUTHORIZED, "no key")));
        group.map_get("/members", || "members");
    });
    app.map_get("/open", || "open");
    app.map_fallback(|Extension(why): Extension<NoRoute>| format!("{why:?}"));
    let service = app.into_service().unwrap();
    for (method, path, status) in [
        ("GET", "/members", 401),
        ("POST", "/members", 401),
        ("OPTIONS", "/members", 401),
        ("GET", "/about", 200),
        ("POST", "/", 200),
        ("POST", "/members/x", 200),
        ("POST", "/open", 200),
        ("OPTIONS", "/open", 204),
        ("OPTIONS", "/", 200),
    ] {
        assert_eq!(ask(&service, method, path).await.status().as_u16(), status, "{method} {path}");
    }
}

#[tokio::test]
async fn of_groups_with_one_prefix_each_responds_for_the_paths_of_its_routes() {
    let closed = |app: &mut App| {
        app.group("/api", |group| {
            group.filter(|| Err::<(), _>(Error::new(StatusCode::UNAUTHORIZED, "no key")));
            group.map_get("/closed", || "closed");
            group.map_get("/both", || "both");
        });
    };
    let open = |app: &mut App| {
        app.group("/api/", |group| {
            group.map_get("/open", || "open");
            group.map_post("/both", || "both");
        });
    };
    let elsewhere = |app: &mut App| {
        app.map_get("/other", || "other").map_fallback(|| "fallback of a route");
        app.group("/other", |group| {
            group.map_fallback(|| "fallback of a group");
        });
    };
    let parts: [&dyn Fn(&mut App); 3] = [&closed, &open, &elsewhere];
    for order in [&[0, 1][..], &[1, 0], &[0, 1, 2], &[2, 1, 0], &[1, 2, 0]] {
        let mut app = App::new();
        order.iter().for_each(|part| parts[*part](&mut app));
        let service = app.into_service().unwrap();
        for (method, path, status) in [
            ("PUT", "/api/closed", 401),
            ("OPTIONS", "/api/closed", 401),
            ("PUT", "/api/open", 405),
            ("OPTIONS", "/api/open", 204),
            // Both groups have routes here, so the app responds.
            ("PUT", "/api/both", 405),
            ("GET", "/api/both", 401),
            ("GET", "/api/nothing", 404),
        ] {
            let found = ask(&service, method, path).await.status().as_u16();
            assert_eq!(found, status, "{method} {path} in the order {order:?}");
        }
    }
}

#[tokio::test]
async fn of_groups_with_one_prefix_the_only_one_with_a_fallback_has_unknown_paths() {
    let mut app = App::new();
    app.group("/api", |group| {
        group.map_fallback(|| "nothing in the API");
    });
    app.group("/api", |group| {
        group.map_get("/a", || "a");
    });
    let service = app.into_service().unwrap();
    assert_eq!(text(ask(&service, "GET", "/api/x").await).await, "nothing in the API");
    assert_eq!(ask(&service, "PUT", "/api/a").await.status(), 405);
}

#[tokio::test]
async fn middleware_of_a_group_takes_the_arguments_of_its_prefix_without_a_route_too() {
    let mut app = App::new();
    app.group("/shops/{shop}", |group| {
        group.filter(|shop: String, _: Method| shop != "closed");
        group.group("/x/{n}", |inner| {
            inner.filter(|_: String, n: u8| n == 7);
            inner.map_get("/y/{m}", || "y");
            inner.map_fallback(|shop: String, n: u8, parts: Parts| {
                format!("{shop} {n} {:?}", parts.0)
            });
        });
    });
    /// The pattern of the route.
    struct Parts(Option<String>);
    impl FromRequestParts for Parts {
        async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
            Ok(Self(parts.route().map(str::to_owned)))
        }
    }
    let service = app.into_service().unwrap();
    for (method, path, status) in [
        ("GET", "/shops/tea/nothing", 404),
        ("GET", "/shops/tea", 404),
        ("GET", "/shops/closed/nothing", 403),
        ("GET", "/shops/tea/x/7/nothing", 200),
        ("GET", "/shops/tea/x/8/nothing", 403),
        ("PUT", "/shops/tea/x/7/y/z", 200),
        ("PUT", "/shops/tea/x/z/y/z", 400),
        ("OPTIONS", "/shops/tea/x/7/y/z", 204),
    ] {
        assert_eq!(ask(&service, method, path).await.status().as_u16(), status, "{method} {path}");
    }
    assert_eq!(text(ask(&service, "PUT", "/shops/a%20b/x/7/y/z").await).await, "a b 7 None");
}

#[tokio::test]
async fn errors_are_problem_details_or_text_as_the_client_prefers() {
    let mut app = App::new();
    map(&mut app);
    app.map_get("/secret", || Err::<(), _>(std::io::Error::other("password x")));
    app.map_get("/problem", || {
        Err::<(), Error>(Problem::new(402).with_extension("balance", 3).into())
    });
    let service = app.into_service().unwrap();

    let response = ask(&service, "GET", "/error").await;
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(text(response).await, r#"{"status":400,"title":"Bad Request","detail":"no"}"#);
    let secret = text(ask(&service, "GET", "/secret").await).await;
    assert!(!secret.contains("password"), "{secret}");
    let problem = text(ask(&service, "GET", "/problem").await).await;
    assert_eq!(problem, r#"{"status":402,"title":"Payment Required","balance":3}"#);

    for (path, expect) in [
        ("/error", "no"),
        ("/nothing", "no route matches this path"),
        ("/secret", "Internal Server Error"),
    ] {
        let request = http::Request::get(path)
            .header("accept", "text/plain")
            .body(HttpBody::empty())
            .unwrap();
        let response = service.respond(request).await;
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        let text = text(response).await;
        let (text, reference) = text.split_once(" (reference ").unwrap_or((&text, ""));
        assert_eq!((text, reference.is_empty()), (expect, path != "/secret"));
    }
}

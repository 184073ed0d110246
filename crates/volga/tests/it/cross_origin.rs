//! Requests from other origins to an app: CORS on its levels, and requests of other sites.

use futures_util::StreamExt;
use volga::{
    App,
    cookies::Cookies,
    error::Error,
    http::{Method, StatusCode, sse::Message, sse::StreamLimit},
    middleware::{Cors, CrossSiteProtection, LimitStreams},
    ok, sse,
    test::{TestClient, TestResponse},
};

const ORIGIN: &str = "https://app.example";

fn app() -> App {
    let mut app = App::new().on_error(|_| {});
    app.cors(Cors::new().origins([ORIGIN]).credentials());
    app.attach(LimitStreams::in_all(StreamLimit::new(1)));
    app.map_get("/events", |cookies: Cookies| {
        cookies.add(("seen", "1")).unwrap();
        sse!(
            futures_util::stream::iter([Message::new().data("1")])
                .chain(futures_util::stream::pending())
        )
    });
    app.map_post("/panic", async || -> String { panic!("on purpose") });
    app.map_put("/tea/{id}", async |id: u32| ok!("tea {id}"));
    app.group("/public", |public| {
        public.cors(Cors::permissive());
        public.map_get("/", || ok!("public"));
        public
            .map_delete("/", || ok!("deleted"))
            .cors(Cors::new().origins(["https://admin.example"]));
    });
    app.map_post("/slow", || {
        Err::<(), _>(
            Error::new(StatusCode::TOO_MANY_REQUESTS, "slower").with_header(("retry-after", "5")),
        )
    });
    app
}

async fn ask(client: &TestClient, method: &str, path: &str, origin: &str) -> TestResponse {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    client.request(method, path).header("origin", origin).send().await
}

#[tokio::test]
async fn every_response_of_an_app_has_the_headers_over_a_socket_too() {
    for is_served in [false, true] {
        let client = match is_served {
            true => TestClient::serve(app()).await,
            false => TestClient::new(app()),
        };
        let first = ask(&client, "GET", "/events", ORIGIN).await;
        first.assert_header("content-type", "text/event-stream");
        first.assert_header("access-control-allow-origin", ORIGIN);
        first.assert_header("set-cookie", "seen=1; HttpOnly; SameSite=Lax; Path=/");
        for (method, path, status) in [
            // The second stream is one too many.
            ("GET", "/events", 503),
            ("POST", "/panic", 500),
            ("POST", "/slow", 429),
            ("PUT", "/tea/x", 400),
            ("GET", "/tea/7", 405),
            ("GET", "/unknown", 404),
        ] {
            let response = ask(&client, method, path, ORIGIN).await;
            response.assert_status(status).assert_header("access-control-allow-origin", ORIGIN);
            let other = ask(&client, method, path, "https://evil.example").await;
            assert_eq!(other.header("access-control-allow-origin"), None);
        }
        drop(first);
    }
}

#[tokio::test]
async fn groups_and_routes_have_policies_of_their_own() {
    let client = TestClient::new(app());
    for (method, path, origin, expect) in [
        ("GET", "/public", ORIGIN, Some("*")),
        ("DELETE", "/public", ORIGIN, None),
        ("DELETE", "/public", "https://admin.example", Some("https://admin.example")),
        ("PUT", "/tea/7", ORIGIN, Some(ORIGIN)),
        ("PUT", "/tea/7", "https://admin.example", None),
        // The policy of the group covers 405, although a route of the path has another one.
        ("PATCH", "/public", ORIGIN, Some("*")),
    ] {
        let response = ask(&client, method, path, origin).await;
        assert_eq!(response.header("access-control-allow-origin"), expect, "{method} {path}");
        let preflight = client
            .request(Method::OPTIONS, path)
            .header("origin", origin)
            .header("access-control-request-method", method)
            .send()
            .await;
        preflight.assert_status(204);
        assert_eq!(preflight.header("access-control-allow-origin"), expect, "{method} {path}");
    }
}

#[tokio::test]
async fn the_policy_of_a_route_covers_the_methods_that_its_path_does_not_have() {
    let mut app = App::new();
    app.map_get("/tea/{id}", async |id: u32| ok!("tea {id}"));
    app.map_put("/tea/{id}", async |id: u32| ok!("tea {id}")).cors(Cors::new().origins([ORIGIN]));
    app.map_get("/milk", || ok!("milk"));
    let client = TestClient::new(app);
    for (method, path, origin, status, expect) in [
        ("PATCH", "/tea/7", ORIGIN, 405, Some(ORIGIN)),
        ("PATCH", "/tea/7", "https://evil.example", 405, None),
        ("GET", "/tea/7", ORIGIN, 200, None),
        ("PATCH", "/milk", ORIGIN, 405, None),
        ("PATCH", "/unknown", ORIGIN, 404, None),
    ] {
        let response = ask(&client, method, path, origin).await;
        response.assert_status(status);
        assert_eq!(response.header("access-control-allow-origin"), expect, "{method} {path}");
        let preflight = client
            .request(Method::OPTIONS, path)
            .header("origin", origin)
            .header("access-control-request-method", method)
            .send()
            .await;
        assert_eq!(preflight.header("access-control-allow-origin"), expect, "{method} {path}");
    }
}

#[tokio::test]
async fn requests_of_other_sites_are_refused_with_a_problem_that_says_why() {
    let mut app = App::new();
    app.refuse_cross_site(CrossSiteProtection::new().exempt(["/hooks/*"]));
    app.map_post("/order", || ok!("ordered"));
    app.map_post("/hooks/pay", || ok!("paid"));
    let client = TestClient::new(app);
    for (path, site, status) in [
        ("/order", "same-origin", 200),
        ("/order", "cross-site", 403),
        ("/unknown", "cross-site", 403),
        ("/hooks/pay", "cross-site", 200),
    ] {
        let response = client.post(path).header("sec-fetch-site", site).send().await;
        response.assert_status(status);
        if status == 403 {
            response.assert_header("content-type", "application/problem+json");
            assert!(
                response.text().await.contains("the page of another site has made the request")
            );
        }
    }
}

#[test]
fn settings_that_cannot_work_are_faults_with_their_place() {
    let mut app = App::new();
    app.cors(Cors::new().any_origin().credentials());
    app.group("/a", |group| {
        group.cors(Cors::new().origins(["https://a.example/"]));
        group.refuse_cross_site(CrossSiteProtection::new().exempt(["hook"]));
        group.map_get("/", || ok!("")).cors(Cors::new());
    });
    let faults = app.check().unwrap_err().to_string();
    assert!(faults.starts_with("4 problems with routes and their settings:\n"), "{faults}");
    for expect in [
        "`cors`: `any_origin` and `credentials` together",
        "`cors`: the origin \"https://a.example/\" ends with `/`",
        "`refuse_cross_site`: the exempt path \"hook\" does not start with `/`",
        "`cors`: no origin is allowed",
    ] {
        assert!(faults.contains(expect), "{faults}");
    }
    assert_eq!(faults.matches("cross_origin.rs:").count(), 4, "{faults}");
}

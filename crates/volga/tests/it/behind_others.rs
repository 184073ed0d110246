//! An app behind another server or a proxy: the address of its clients, and the prefix of paths.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    middleware::{Next, from_fn},
    response::Response,
};
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use volga::{
    App, HttpBody, HttpRequest,
    http::{ClientAddr, ConnectionInfo, ForwardedPrefix, HeaderMap, OriginalUri, RouterService},
    ok, response, see_other, status,
    test::TestClient,
};

use super::support::ask;

fn app() -> App {
    let mut app = App::new();
    app.map_get("/who", |client: ClientAddr| ok!("client {}", client.ip()))
        .map_get("/whoever", |client: Option<ClientAddr>| ok!("client {}", client.is_some()));
    app
}

async fn client(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut req: Request,
    next: Next,
) -> Response {
    req.extensions_mut().insert(ClientAddr(peer));
    next.run(req).await
}

#[tokio::test]
async fn an_app_within_axum_knows_its_clients() {
    let outer = Router::new()
        .route("/axum", axum::routing::get(|| async { "axum" }))
        .nest_service("/app", app().into_service().unwrap())
        .fallback_service(app().into_service().unwrap())
        .layer(from_fn(client));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = outer.into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async { axum::serve(listener, service).await });
    for path in ["/who", "/app/who"] {
        assert!(ask(address, &format!("GET {path}")).await.ends_with("client 127.0.0.1"));
    }
    assert!(ask(address, "GET /axum").await.ends_with("axum"));
    server.abort();
}

async fn get(
    service: &RouterService,
    path: &str,
    extend: impl FnOnce(&mut HttpRequest),
) -> (u16, String) {
    let mut request = HttpRequest::new(HttpBody::empty());
    *request.uri_mut() = path.parse().unwrap();
    extend(&mut request);
    let response = service.respond(request).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn a_missing_address_is_a_server_error_that_says_what_to_insert() {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&reports);
    let service = app()
        .on_error(move |report| sink.lock().unwrap().push(report.to_string()))
        .into_service()
        .unwrap();
    let inserted = SocketAddr::from(([192, 0, 2, 7], 1));
    let other = ConnectionInfo::new().with_peer(([192, 0, 2, 8], 1).into());
    let (status, _) = get(&service, "/who", |_| {}).await;
    assert_eq!(status, 500);
    let report = reports.lock().unwrap().pop().unwrap();
    assert!(report.contains("extensions_mut().insert(volga::http::ClientAddr(peer))"), "{report}");

    let unix = |request: &mut HttpRequest| {
        request.extensions_mut().insert(ConnectionInfo::new());
    };
    assert_eq!(get(&service, "/who", unix).await.0, 500);
    let report = reports.lock().unwrap().pop().unwrap();
    assert!(report.contains("take `Option<ClientAddr>`"), "{report}");

    for path in ["/whoever"] {
        assert_eq!(get(&service, path, |_| {}).await, (200, "client false".to_owned()));
        assert_eq!(get(&service, path, unix).await, (200, "client false".to_owned()));
    }
    let by_info = get(&service, "/who", |request| {
        request.extensions_mut().insert(other.clone());
    });
    assert_eq!(by_info.await, (200, "client 192.0.2.8".to_owned()));
    let by_both = get(&service, "/who", |request| {
        request.extensions_mut().insert(other.clone());
        request.extensions_mut().insert(ClientAddr(inserted));
    });
    assert_eq!(by_both.await, (200, "client 192.0.2.7".to_owned()), "what was inserted goes first");
}

/// An app whose responses have everything that a prefix may change.
fn shop(trusted: &[&str]) -> App {
    let mut app = App::new().with_trusted_proxies(trusted);
    app.map_get("/", |prefix: ForwardedPrefix, headers: HeaderMap, request: HttpRequest| {
        let original = request.extensions().get().map(|OriginalUri(uri)| uri.to_string());
        let header = headers.get("x-forwarded-prefix").is_some();
        ok!("{prefix}/tea {} {header} {}", original.unwrap_or_default(), request.uri())
    })
    .map_post("/", || see_other!("/done"))
    .map_put("/", || status!(201, "made"; [("location", "/made/7")]))
    .map_patch("/", || ok!("no redirect"; [("location", "/stays")]))
    .map_service(
        "/files",
        axum::Router::new().route(
            "/dir",
            axum::routing::get(|| async { axum::response::Redirect::permanent("/dir/") }),
        ),
    );
    app
}

async fn location(client: &TestClient, method: &str, path: &str, prefix: &str) -> String {
    let request = client.request(method.parse().unwrap(), path);
    let response = request.header("x-forwarded-prefix", prefix).send().await;
    response.header("location").unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_prefix_of_a_trusted_proxy_is_in_redirects_links_and_the_original_uri() {
    for client in
        [TestClient::new(shop(&["127.0.0.1"])), TestClient::serve(shop(&["127.0.0.0/8"])).await]
    {
        let seen = client.get("/?x=1").header("x-forwarded-prefix", "/shop/").send().await;
        assert_eq!(seen.text().await, "/shop/tea /shop/?x=1 true /?x=1");
        let plain = client.get("/").send().await.text().await;
        assert_eq!(plain, "/tea / false /");
        for (method, path, expect) in [
            ("POST", "/", "/shop/done"),
            ("PUT", "/", "/shop/made/7"),
            ("PATCH", "/", "/stays"),
            ("GET", "/files/dir", "/shop/files/dir/"),
        ] {
            assert_eq!(location(&client, method, path, "/shop").await, expect, "{method} {path}");
        }
        for prefix in ["", "/"] {
            assert_eq!(location(&client, "POST", "/", prefix).await, "/done");
        }
        for prefix in ["shop", "//evil.example", "/a, /b", "/a/../b", "https://evil.example"] {
            let request = client.get("/").header("x-forwarded-prefix", prefix);
            request.send().await.assert_status(400);
        }
        let two = client.get("/").header("x-forwarded-prefix", "/a");
        two.header("x-forwarded-prefix", "/b").send().await.assert_status(400);
    }
}

/// Who asks, and who is trusted: the prefix counts only where both agree.
#[tokio::test]
async fn the_header_of_anybody_else_is_removed() {
    let peers = ["127.0.0.1", "192.0.2.1", "::1", "::ffff:192.0.2.1"];
    let lists: [&[&str]; 5] = [
        &["127.0.0.1"],
        &["192.0.2.0/24", "unix"],
        &["::1", "127.0.0.1"],
        &["unix"],
        &["10.0.0.0/8"],
    ];
    for list in lists {
        let service = shop(list).into_service().unwrap();
        for peer in peers.iter().map(|peer| Some(peer.parse::<IpAddr>().unwrap())).chain([None]) {
            let (_, text) = get(&service, "/", |request| {
                let info = ConnectionInfo::new();
                let info = peer.map_or(info.clone(), |ip| info.with_peer((ip, 1).into()));
                request.extensions_mut().insert(info);
                request.headers_mut().insert("x-forwarded-prefix", "/shop".parse().unwrap());
            })
            .await;
            let is_trusted = match peer.map(|peer| peer.to_canonical().to_string()).as_deref() {
                Some("192.0.2.1") => list.contains(&"192.0.2.0/24"),
                Some(peer) => list.contains(&peer),
                None => list.contains(&"unix"),
            };
            let expect = if is_trusted { "/shop/tea /shop/ true /" } else { "/tea / false /" };
            assert_eq!(text, expect, "{list:?} {peer:?}");
        }
        // Without a connection, nobody knows who has sent the request.
        let (_, text) = get(&service, "/", |request| {
            request.headers_mut().insert("x-forwarded-prefix", "/shop".parse().unwrap());
        })
        .await;
        assert_eq!(text, "/tea / false /", "{list:?}");
    }
}

#[tokio::test]
async fn only_locations_at_this_app_get_the_prefix() {
    let service = {
        let mut app = shop(&["127.0.0.1"]);
        app.map_get("/at/{*rest}", |headers: HeaderMap| {
            let location = headers["x-location"].clone();
            response!(302, HttpBody::empty(); [("location", location)])
        });
        TestClient::new(app)
    };
    for (location, expect) in [
        ("/a?b#c", "/shop/a?b#c"),
        ("/shop/a", "/shop/shop/a"),
        ("a", "a"),
        ("../a", "../a"),
        ("//other.example/a", "//other.example/a"),
        ("https://other.example/a", "https://other.example/a"),
    ] {
        let request = service.get("/at/x").header("x-location", location);
        let response = request.header("x-forwarded-prefix", "/shop").send().await;
        response.assert_status(302).assert_header("location", expect);
    }
}

#[test]
fn a_wrong_proxy_keeps_the_app_from_starting() {
    let fault = shop(&["localhost"]).check().unwrap_err();
    assert_eq!(fault.settings()[0].setting(), "with_trusted_proxies");
}

/// `/%61dmin` is the route `/admin`, so a check of the decoded path finds it, whatever was encoded.
#[tokio::test]
async fn middleware_sees_the_path_that_the_router_saw() {
    let mut app = App::new();
    app.wrap(|ctx, next| async move {
        let is_admin = {
            let path = ctx.decoded_path();
            path == "/admin" || path.starts_with("/admin/")
        };
        if is_admin { status!(403, "no") } else { Ok(next.run(ctx).await) }
    });
    app.map_get("/admin", || ok!("secret"))
        .map_get("/admin/{page}", |_: String| ok!("secret"))
        .map_get("/{*rest}", |_: String| ok!("open"));
    let client = TestClient::new(app);
    for bits in 0_u32..1 << 5 {
        let name: String = "admin"
            .chars()
            .enumerate()
            .map(
                |(at, c)| if bits >> at & 1 == 1 { format!("%{:02x}", c as u32) } else { c.into() },
            )
            .collect();
        for end in ["", "/", "/x", "/%2F", "/x/"] {
            let path = format!("/{name}{end}");
            client.get(&path).send().await.assert_status(403);
        }
        for end in ["%2Fx", "x", "%00"] {
            let response = client.get(&format!("/{name}{end}")).send().await;
            assert_eq!(response.text().await, "open");
        }
    }
}

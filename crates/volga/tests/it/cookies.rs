//! Cookies of an app: on event streams, over both schemes, and after the head.

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use volga::{
    App,
    cookies::{
        Cookie, CookieError, CookieKeys, Cookies, PrivateCookies, SameSite, SignedCookies, time,
    },
    http::sse::Message,
    middleware::HttpContext,
    ok, sse,
    test::TestClient,
};

#[tokio::test]
async fn an_event_stream_has_cookies_in_its_head_and_refuses_later_ones() {
    for is_served in [false, true] {
        let (late, mut results) = mpsc::unbounded_channel();
        let mut app = App::new();
        app.map_get("/events", move |cookies: Cookies| {
            cookies.add(("id", "7")).unwrap();
            let late = late.clone();
            sse!(stream::iter(0..2).map(move |number| {
                late.send(cookies.add(("late", "1"))).unwrap();
                Message::new().data(number.to_string())
            }))
        });
        let client = if is_served { TestClient::serve(app).await } else { TestClient::new(app) };
        let response = client.get("/events").send().await;
        response.assert_header("set-cookie", "id=7; HttpOnly; SameSite=Lax; Path=/");
        let mut events = response.events();
        for number in ["0", "1"] {
            assert_eq!(events.next().await.unwrap().unwrap().data(), number);
            let error = results.recv().await.unwrap().unwrap_err();
            assert_eq!(error, CookieError::HeadSent { name: "late".to_owned() });
        }
    }
}

#[tokio::test]
async fn misses_and_errors_of_an_app_have_the_cookies_of_its_middleware() {
    let mut app = App::new();
    app.before_routing(|before| {
        before.wrap(|mut ctx: HttpContext, next| async move {
            ctx.extract::<Cookies>().await?.add(("seen", "1"))?;
            Ok::<_, volga::error::Error>(next.run(ctx).await)
        });
    });
    app.map_get("/", || ok!("here"));
    app.map_get("/panic", async || -> String { panic!("on purpose") });
    let client = TestClient::serve(app.on_error(|_| {})).await;
    for (path, status) in [("/", 200), ("/none", 404), ("/panic", 500), ("/%ff%", 400)] {
        let response = client.get(path).send().await;
        response.assert_status(status);
        response.assert_header("set-cookie", "seen=1; HttpOnly; SameSite=Lax; Path=/");
    }
    let response = client.post("/").send().await;
    response
        .assert_status(405)
        .assert_header("set-cookie", "seen=1; HttpOnly; SameSite=Lax; Path=/");
}

#[tokio::test]
async fn a_cookie_is_secure_if_the_client_asked_over_https() {
    let app = || {
        let mut app = App::new().with_trusted_proxies(["127.0.0.1"]);
        app.map_get("/", async |cookies: Cookies| {
            cookies.add(Cookie::build(("id", "7")).max_age(time::Duration::days(30)))?;
            ok!("welcome")
        });
        app
    };
    let client = TestClient::serve(app()).await;
    for (scheme, secure) in [("https", " Secure;"), ("http", "")] {
        let response = client.get("/").header("x-forwarded-proto", scheme).send().await;
        let expect = format!("id=7; HttpOnly; SameSite=Lax;{secure} Path=/; Max-Age=2592000");
        response.assert_header("set-cookie", &expect);
    }
}

#[tokio::test]
async fn keys_are_a_service_and_without_them_the_app_does_not_start() {
    let app = || {
        let mut app = App::new();
        app.map_post("/login/{name}", async |cookies: SignedCookies, name: String| {
            cookies.add(Cookie::build(("user", name)).same_site(SameSite::Strict))?;
            ok!("welcome")
        });
        app.map_post("/note/{text}", async |cookies: PrivateCookies, text: String| {
            cookies.add(("note", text))?;
            ok!("noted")
        });
        app.map_get("/", async |signed: SignedCookies, private: PrivateCookies| {
            ok!("{:?} {:?}", signed.get("user"), private.get("note"))
        });
        app
    };
    let faults = app().check().unwrap_err().to_string();
    assert!(faults.contains("`CookieKeys` is needed by POST /login/{name}"), "{faults}");

    let keys = CookieKeys::random().unwrap();
    let mut app = app();
    app.add_singleton(keys.clone());
    let client = TestClient::new(app);
    client.post("/login/anna").send().await.assert_status(200);
    client.post("/note/a%20b").send().await.assert_status(200);
    assert_eq!(client.get("/").send().await.text().await, r#"Some("anna") Some("a b")"#);
    let forged = client.get("/").header("cookie", "user=anna").send().await;
    assert_eq!((&*forged.text().await, keys.invalid_count()), ("None None", 1));
}

//! Middleware of every kind: `wrap`, `with`, `filter`, `tap_req`, `map_ok`.

use std::time::Instant;
use volga::{
    App, Header, HttpResponse, headers,
    headers::{CacheControl, TypedHeader},
    http::{Extension, HeaderValue},
    middleware::{HttpContext, Next, NextCall},
    ok,
};

headers! {
    (ApiKey, "x-api-key"),
}

/// The user who sent the request. A middleware finds this out once, and handlers take it as
/// `Extension<User>`.
#[derive(Clone)]
struct User(String);

pub(crate) fn map(app: &mut App) {
    app.wrap(time);

    app.group("/admin", |admin| {
        admin.tap_req(|parts| {
            // All inner middleware and handlers see the same spelling.
            if let Some(key) = parts.headers.remove("api-key") {
                parts.headers.entry("x-api-key").or_insert(key);
            }
        });
        admin.filter(|key: Header<ApiKey>| key.as_str() == "secret");
        admin.with(async |key: Header<ApiKey>, mut next: NextCall| {
            let user = User(format!("the owner of a key of {} bytes", key.len()));
            next.context_mut().extensions.insert(user);
            next.await
        });
        admin.map_get("/me", async |Extension(User(name)): Extension<User>| ok!("you are {name}"));
        admin.map_get("/stats", async || ok!({ "users": 2 })).map_ok(
            |mut response: HttpResponse| {
                let never = CacheControl::new().no_store();
                response.headers_mut().insert(CacheControl::NAME, never.to_value());
                response
            },
        );
    });
}

/// Adds to each response how long it took to make.
async fn time(ctx: HttpContext, next: Next) -> HttpResponse {
    let start = Instant::now();
    let mut response = next.run(ctx).await;
    let micros = start.elapsed().as_micros() as u64;
    response.headers_mut().insert("x-micros", HeaderValue::from(micros));
    response
}

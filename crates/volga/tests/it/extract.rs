//! Arguments of handlers, and the status if one cannot be extracted.

use std::collections::HashMap;

use futures_util::stream;
use serde::{Deserialize, Serialize};
use volga::{
    Header, HttpRequest, Json, Path, Query,
    error::{Error, ExtractError},
    headers,
    headers::{CacheControl, UserAgent},
    http::{
        ClientAddr, Extension, FromPathArg, FromRequest, FromRequestParts, HeaderMap, HttpBody,
        Method, OptionalArg, RequestParts, Uri,
    },
    ok,
};

use super::{
    in_process::{check, send, service},
    support::{ask, run},
};

headers! {
    (ApiKey, "x-api-key"),
}

#[derive(Deserialize)]
struct Order {
    user: String,
    number: u32,
}

#[derive(Deserialize)]
struct Search {
    text: String,
    page: Option<u32>,
    #[serde(default)]
    tag: Vec<String>,
}

#[derive(Deserialize, Serialize)]
struct User {
    name: String,
    age: u8,
}

#[test]
fn path_takes_struct_tuple_map_and_scalar() {
    let service = service(|app| {
        app.map_get("/s/{user}/{number}", async |Path(order): Path<Order>| {
            ok!("{} {}", order.user, order.number)
        })
        .map_get("/t/{a}/{b}", async |path: Path<(String, u32)>| ok!("{} {}", path.0.0, path.1))
        .map_get("/m/{a}/{b}", async |path: Path<HashMap<String, String>>| ok!("{}", path["b"]))
        .map_get("/one/{a}", async |Path(a): Path<u8>| ok!("{a}"))
        // Arguments by position are counted separately.
        .map_get("/mixed/{a}/{b}", async |a: String, all: Path<(String, String)>, b: String| {
            ok!("{a} {b} {}", all.1)
        });
    });
    check(&service, "GET /s/A%20B/7", 200, "A B 7");
    check(&service, "GET /t/a/7", 200, "a 7");
    check(&service, "GET /m/a/b+c", 200, "b+c");
    check(&service, "GET /one/7", 200, "7");
    check(&service, "GET /mixed/a/b", 200, "a b b");
    check(&service, "GET /s/a/x", 400, "path argument `number`: invalid digit found in string");
    check(&service, "GET /t/a/-1", 400, "path argument `b`: invalid digit found in string");
    let too_large = "path argument `a`: number too large to fit in target type";
    check(&service, "GET /one/256", 400, too_large);
}

#[test]
fn query_fills_lists_and_its_errors_name_the_field() {
    let service = service(|app| {
        app.map_get("/search", async |query: Query<Search>| {
            ok!("{} {:?} {:?}", query.text, query.page, query.tag)
        })
        .map_get("/optional", async |query: Option<Query<Search>>| ok!("{}", query.is_some()))
        .map_get("/any", async |query: Query<HashMap<String, String>>| ok!("{}", query.len()));
    });
    check(&service, "GET /search?text=a+b&tag=1&tag=2&x=y", 200, r#"a b None ["1", "2"]"#);
    check(&service, "GET /search?text=%C3%A9&page=3", 200, "é Some(3) []");
    check(&service, "GET /search?page=3", 400, "query field `text` is missing");
    check(&service, "GET /search", 400, "query field `text` is missing");
    let malformed = "query field `page`: invalid digit found in string";
    check(&service, "GET /search?text=a&page=x", 400, malformed);
    check(&service, "GET /optional", 200, "false");
    check(&service, "GET /optional?text=a", 200, "true");
    check(&service, "GET /optional?page=1", 400, "query field `text` is missing");
    check(&service, "GET /any", 200, "0");
}

#[tokio::test]
async fn json_has_different_statuses_for_content_type_syntax_and_shape() {
    let service = service(|app| {
        app.map_post("/", async |Json(user): Json<User>| Json(user))
            .map_post("/optional", async |user: Option<Json<User>>| ok!("{}", user.is_some()))
            .map_post("/result", async |user: Result<Json<User>, Error>| match user {
                Ok(user) => ok!("{}", user.age),
                Err(error) => ok!("{}", error.status()),
            });
    });
    let json = |content_type| [("content-type", content_type)];
    for (target, content_type, body, status, expect) in [
        ("/", "application/json", r#"{"name":"A","age":1}"#, 200, r#"{"name":"A","age":1}"#),
        ("/", "application/hal+json; charset=utf-8", r#"{"name":"A","age":1}"#, 200, "name"),
        ("/", "text/plain", "{}", 415, "the body must be `application/json`, not `text/plain`"),
        ("/", "application/json", "{", 400, "malformed JSON: "),
        ("/", "application/json", "", 400, "malformed JSON: "),
        (
            "/",
            "application/json",
            r#"{"name":"A","age":300}"#,
            422,
            "the JSON does not fit at `age`: ",
        ),
        ("/", "application/json", r#"{"name":"A"}"#, 422, "missing field `age`"),
        ("/optional", "application/json", "{", 400, "malformed"),
        ("/optional", "application/json", r#"{"name":"A","age":1}"#, 200, "true"),
        ("/result", "application/json", "{}", 200, "422"),
    ] {
        let answer = send(&service, &format!("POST {target}"), &json(content_type), body).await;
        assert_eq!(answer.status.as_u16(), status, "{target} {body}: {}", answer.body);
        assert!(answer.body.contains(expect), "{target} {body}: {}", answer.body);
    }
    let untyped = send(&service, "POST /", &[], "{}").await;
    assert_eq!(untyped.status, 415);
    assert_eq!(send(&service, "POST /optional", &[], "").await.body, "false");
    assert_eq!(send(&service, "POST /optional", &[], "{}").await.status, 415);
}

#[tokio::test]
async fn headers_are_read_by_type() {
    let service = service(|app| {
        app.map_get("/key", async |key: Header<ApiKey>| ok!("{key} {}", key.len()))
            .map_get("/agent", async |agent: Option<Header<UserAgent>>| ok!("{}", agent.is_some()))
            .map_get("/cache", async |cache: Header<CacheControl>| ok!("{}", cache.is_no_cache()))
            .map_get("/all", async |all: HeaderMap| ok!("{}", all.len()));
    });
    let ask = async |target: &str, headers: &[(&str, &str)]| {
        let answer = send(&service, &format!("GET {target}"), headers, "").await;
        format!("{} {}", answer.status.as_u16(), answer.body)
    };
    assert_eq!(ask("/key", &[("X-Api-Key", "secret")]).await, "200 secret 6");
    assert_eq!(ask("/key", &[]).await, "400 header `x-api-key` is missing");
    assert_eq!(ask("/key", &[("x-api-key", "é")]).await, "200 é 2");
    assert_eq!(ask("/key", &[("x-api-key", "a"), ("x-api-key", "b")]).await, "200 a, b 4");
    assert_eq!(ask("/agent", &[]).await, "200 false");
    assert_eq!(ask("/agent", &[("user-agent", "x")]).await, "200 true");
    assert_eq!(ask("/cache", &[("cache-control", "no-cache")]).await, "200 true");
    assert_eq!(ask("/all", &[("a", "1"), ("b", "2")]).await, "200 3", "with `accept`");
}

struct Sku(u32);

impl FromPathArg for Sku {
    type Error = &'static str;

    fn from_path_arg(text: &str) -> Result<Self, Self::Error> {
        let digits = text.strip_prefix("sku-").ok_or("it starts with `sku-`")?;
        digits.parse().map(Sku).map_err(|_| "a number follows `sku-`")
    }
}

struct Tenant(String);

impl FromRequestParts for Tenant {
    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        let route = parts.route().unwrap_or_default().to_owned();
        match parts.path_arg("tenant") {
            Some(name) => Ok(Self(format!("{} of {route}", name?))),
            None => Err(Error::client_error("no tenant")),
        }
    }
}

impl OptionalArg for Tenant {
    fn is_absent(parts: &RequestParts) -> bool {
        parts.raw_path_args().all(|(name, _)| name != "tenant")
    }
}

struct Length(usize);

impl FromRequest for Length {
    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        Ok(Self(String::from_request_body(parts, body).await?.len()))
    }
}

trait FromRequestBody: Sized {
    fn from_request_body(
        parts: RequestParts,
        body: HttpBody,
    ) -> impl Future<Output = Result<Self, Error>> + Send;
}

impl FromRequestBody for String {
    async fn from_request_body(_: RequestParts, body: HttpBody) -> Result<Self, Error> {
        use http_body_util::BodyExt;
        let bytes = body.collect().await.map_err(|_| Error::client_error("broken"))?.to_bytes();
        Ok(Self::from_utf8_lossy(&bytes).into_owned())
    }
}

#[tokio::test]
async fn types_of_your_own_are_arguments() {
    let service = service(|app| {
        app.map_post(
            "/{tenant}/{sku}",
            async |_: String, sku: Sku, tenant: Tenant, body: Length| {
                ok!("{} {} {}", tenant.0, sku.0, body.0)
            },
        )
        .map_get("/{tenant}", async |tenant: Option<Tenant>| ok!("{}", tenant.is_some()))
        .map_get("/", async |tenant: Option<Tenant>| ok!("{}", tenant.is_some()))
        .map_put("/", async |tenant: Tenant| ok!("{}", tenant.0));
    });
    let answer = send(&service, "POST /a%20b/sku-7", &[], "four").await;
    assert_eq!(answer.body, "a b of /{tenant}/{sku} 7 4");
    let answer = send(&service, "POST /a/7", &[], "").await;
    assert_eq!(answer.body, "path argument `sku`: it starts with `sku-`");
    assert_eq!(answer.status, 400);
    assert_eq!(send(&service, "GET /a", &[], "").await.body, "true");
    assert_eq!(send(&service, "GET /", &[], "").await.body, "false");
    assert_eq!(send(&service, "PUT /", &[], "").await.status, 400);
}

#[tokio::test]
async fn the_request_itself_its_parts_and_its_extensions_are_arguments() {
    let service = service(|app| {
        app.map_post("/a", async |method: Method, uri: Uri, body: HttpRequest| {
            ok!("{method} {uri} {}", body.uri() == &uri)
        })
        .map_get("/extension", async |_: Extension<u8>| ok!())
        .map_get("/optional", async |value: Option<Extension<u8>>| ok!("{}", value.is_some()))
        .map_get("/peer", async |peer: Option<ClientAddr>| ok!("{}", peer.is_some()));
    });
    assert_eq!(send(&service, "POST /a?b=c", &[], "").await.body, "POST /a?b=c true");
    assert_eq!(send(&service, "GET /extension", &[], "").await.status, 500);
    assert_eq!(send(&service, "GET /optional", &[], "").await.body, "false");
    assert_eq!(send(&service, "GET /peer", &[], "").await.body, "false");

    let server = run(|app| {
        app.map_get("/peer", async |client: ClientAddr| ok!("{}", client.ip()));
    })
    .await;
    let response = ask(server.address, "GET /peer").await;
    assert!(response.ends_with("\r\n\r\n127.0.0.1"), "{response}");
}

#[tokio::test]
async fn an_error_mapper_finds_the_extract_error_as_the_cause() {
    let service = service(|app| {
        app.map_get("/{id}", async |id: Result<Path<u8>, Error>| {
            let error = id.map(|_| ()).unwrap_err();
            let name = match error.cause().downcast_ref() {
                Some(ExtractError::PathArg { name, .. }) => name.clone(),
                _ => "another".to_owned(),
            };
            ok!("{name}")
        });
    });
    assert_eq!(send(&service, "GET /x", &[], "").await.body, "id");
}

#[tokio::test]
async fn an_incomplete_body_is_400() {
    let service = service(|app| {
        app.map_post("/", async |_: Json<User>| ok!());
    });
    let broken = stream::iter([Ok("{"), Err(std::io::Error::other("gone"))]);
    let request = http::Request::post("/").header("content-type", "application/json");
    let response = service.respond(request.body(HttpBody::from_stream(broken)).unwrap()).await;
    assert_eq!(response.status(), 400);
}

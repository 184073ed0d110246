//! Odd texts and bodies of everyday requests: the type decides, and the error names the place.

use std::time::Duration;

use futures_util::stream;
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use tower_http::{limit::RequestBodyLimitLayer, timeout::RequestBodyTimeoutLayer};
use volga::{
    App, Header, HttpBody, Json, Path, Query,
    headers::{Authorization, Cookie, UserAgent},
    http::{HeaderValue, RouterService, StatusCode},
    ok,
};

use super::in_process::{check, service};

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Slug(String);

impl TryFrom<String> for Slug {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.contains('!') { Err(format!("`{text}` is no slug")) } else { Ok(Self(text)) }
    }
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Id {
    Number(u64),
    Name(String),
}

#[derive(Deserialize, Serialize)]
struct Paging {
    page: u32,
}

#[derive(Deserialize, Serialize)]
struct Search {
    q: String,
    #[serde(flatten)]
    paging: Paging,
}

#[derive(Deserialize, Serialize)]
#[serde(tag = "by", rename_all = "lowercase")]
enum Filter {
    Age { min: u8 },
    Name { name: String },
}

#[test]
fn texts_become_what_the_type_asks_for() {
    let service = service(|app| {
        app.map_get("/slug/{slug}", |Path(Slug(slug)): Path<Slug>| ok!("{slug}"))
            .map_get("/id/{id}", |Path(id): Path<Id>| Json(id))
            .map_get("/search", |Query(search): Query<Search>| Json(search))
            .map_get("/filter", |Query(filter): Query<Filter>| Json(filter));
    });
    check(&service, "GET /slug/tea", 200, "tea");
    check(&service, "GET /slug/t%21", 400, "path argument `slug`: `t!` is no slug");
    check(&service, "GET /id/7", 200, "7");
    check(&service, "GET /id/seven", 200, r#""seven""#);
    check(&service, "GET /search?q=a&page=1", 200, r#"{"q":"a","page":1}"#);
    check(&service, "GET /search?page=1&q=1", 200, r#"{"q":"1","page":1}"#);
    check(&service, "GET /search?page=x&q=1", 400, "query field `page`: invalid type");
    check(&service, "GET /search?q=%FF&page=1", 400, "query field `q`: it is not UTF-8");
    check(&service, "GET /filter?min=7&by=age", 200, r#"{"by":"age","min":7}"#);
    check(&service, "GET /filter?by=name&name=7", 200, r#"{"by":"name","name":"7"}"#);
    check(&service, "GET /filter?by=size", 400, "query field `by`: unknown variant `size`");
}

/// Sends a request with these header values and this body. Returns the status and the body.
async fn send(
    service: &RouterService,
    path: &str,
    headers: &[(&'static str, &[u8])],
    body: HttpBody,
) -> (StatusCode, Vec<u8>) {
    let mut request = http::Request::post(path).header("accept", "text/plain").body(body).unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    let (head, body) = service.respond(request).await.into_parts();
    (head.status, body.collect().await.unwrap().to_bytes().to_vec())
}

#[tokio::test]
async fn odd_bytes_in_a_header_never_lock_a_user_out() {
    let service = service(|app| {
        app.map_post("/cookie", |cookie: Header<Cookie>| cookie.as_bytes().to_vec())
            .map_post("/optional", |cookie: Option<Header<Cookie>>| {
                cookie.map(|cookie| cookie.as_bytes().to_vec())
            })
            .map_post("/text", |agent: Header<UserAgent>| ok!("{agent}"));
    });
    for value in ["name=Jürgen".as_bytes(), b"name=J\xfcrgen", b"a=1; b=\xff\xfe", b"\x80"] {
        for path in ["/cookie", "/optional"] {
            let (status, body) =
                send(&service, path, &[("cookie", value)], HttpBody::empty()).await;
            assert_eq!((status, &*body), (StatusCode::OK, value), "{path}");
        }
    }
    let agent: &[(&str, &[u8])] = &[("user-agent", "Jürgen".as_bytes())];
    let (_, body) = send(&service, "/text", agent, HttpBody::empty()).await;
    assert_eq!(body, "Jürgen".as_bytes());
}

#[tokio::test]
async fn credentials_that_are_sent_twice_are_refused() {
    let service = service(|app| {
        app.map_post("/", |token: Header<Authorization>| ok!("{token}"));
    });
    let one: (&'static str, &[u8]) = ("authorization", b"Bearer a");
    let (status, _) = send(&service, "/", &[one], HttpBody::empty()).await;
    assert_eq!(status, 200);
    let (status, body) = send(&service, "/", &[one, one], HttpBody::empty()).await;
    assert_eq!(status, 400);
    assert_eq!(body, b"header `authorization`: sent 2 times, but it takes one value");
}

/// A body of unknown length, as a chunked request has it.
fn chunked(pieces: &'static [&'static str]) -> HttpBody {
    HttpBody::from_stream(stream::iter(pieces.iter().map(|piece| Ok::<_, std::io::Error>(*piece))))
}

#[tokio::test]
async fn a_body_of_unknown_length_that_is_empty_is_no_body() {
    let service = service(|app| {
        app.map_post("/", |id: Option<Json<Id>>| ok!("{}", id.is_some()));
    });
    let json: &[(&'static str, &[u8])] = &[("content-type", b"application/json")];
    for (headers, pieces, status, expect) in [
        (&[][..], &[][..], 200, "false"),
        (&[], &["", ""], 200, "false"),
        (&[], &["", "7"], 415, "the body must be `application/json`"),
        (json, &["1", "2"], 200, "true"),
        (json, &["\u{feff}", "12"], 200, "true"),
        (json, &[], 400, "malformed JSON"),
    ] {
        let (found, body) = send(&service, "/", headers, chunked(pieces)).await;
        let body = String::from_utf8(body).unwrap();
        assert!(found == status && body.starts_with(expect), "{pieces:?}: {found} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn limits_and_time_outs_of_tower_layers_keep_their_status() {
    let service = |limit| {
        let mut app = App::new();
        app.map_post("/bytes", |body: bytes::Bytes| ok!("{}", body.len()));
        app.map_post("/json", |Json(text): Json<String>| ok!("{text}"));
        app.layer(RequestBodyLimitLayer::new(limit));
        app.layer(RequestBodyTimeoutLayer::new(Duration::from_secs(1)));
        app.into_service().unwrap()
    };
    let json: &[(&'static str, &[u8])] = &[("content-type", b"application/json")];
    for path in ["/bytes", "/json"] {
        for (limit, status) in [(1, 413), (5, 413), (6, 200), (7, 200)] {
            let body = chunked(&["\"ab", "cd\""]);
            assert_eq!(send(&service(limit), path, json, body).await.0, status, "{limit}");
        }
        let stalled = HttpBody::from_stream(stream::pending::<Result<&str, std::io::Error>>());
        assert_eq!(send(&service(9), path, json, stalled).await.0, 408);
    }
}

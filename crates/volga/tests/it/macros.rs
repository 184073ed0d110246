//! The response macros, and tuples.

use futures_util::stream;
use volga::{
    HttpResult, Json, accepted, bad_request, created, found,
    headers::{CacheControl, ContentType, ETag},
    html,
    http::{IntoResponse, StatusCode, sse::Message},
    moved_permanently, no_content, not_found, ok, permanent_redirect, redirect, response,
    see_other, sse, status, temp_redirect,
};

/// The status, the content type, and the length of the body.
#[track_caller]
fn check(response: HttpResult, status: u16, content_type: &str, length: u64) {
    use http_body::Body;
    let response = response.unwrap();
    let found = response.headers().get("content-type");
    let found = found.map_or("", |value| value.to_str().unwrap());
    let size = response.body().size_hint().exact();
    assert_eq!((response.status().as_u16(), found, size), (status, content_type, Some(length)));
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

#[test]
fn each_status_takes_every_form_of_body() {
    let name = "Anna";
    check(created!(), 201, "", 0);
    check(created!({ "id": 7 }), 201, JSON, 8);
    check(accepted!("queued for {name}"), 202, TEXT, 15);
    check(not_found!("no {}", name), 404, TEXT, 7);
    check(bad_request!(json: "text"), 400, JSON, 6);
    check(
        bad_request!(vec![1, 2]; [("content-type", "application/problem+json")]),
        400,
        "application/problem+json",
        5,
    );
    check(no_content!(), 204, "", 0);
    check(no_content!(; [("x-id", "7")]), 204, "", 0);
    check(ok!({}), 200, JSON, 2);
    check(status!(StatusCode::CONFLICT, "{name}"), 409, TEXT, 4);
    check(html!(String::from("<p>")), 200, "text/html; charset=utf-8", 3);
    check(response!(200, "a,b"; [("content-type", "text/csv")]), 200, "text/csv", 3);
    check(response!(StatusCode::OK, vec![1_u8]), 200, "", 1);
    assert!(response!(99, "").is_err());
}

#[test]
fn redirects_have_a_location() {
    let id = 7;
    for (response, status) in [
        (redirect!("/users/{id}"), 303),
        (moved_permanently!("/users/{id}"), 301),
        (found!("/users/{}", id), 302),
        (see_other!(String::from("/users/7")), 303),
        (temp_redirect!("/users/7"; [("x-id", "7")]), 307),
        (permanent_redirect!(format!("/users/{id}")), 308),
    ] {
        let response = response.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["location"], "/users/7");
    }
    assert!(redirect!("/a\nset-cookie: x=1").is_err());
}

#[test]
fn header_lists_take_pairs_and_types() {
    macro_rules! with_headers {
        ($response:ident, $body:expr) => {
            $response!($body; [
                ETag::strong("v7").unwrap(),
                CacheControl::new().no_store(),
                ContentType::from_static("text/csv"),
                ("x-id", 7.to_string()),
            ])
        };
    }
    let messages = stream::empty::<Message>();
    for response in [with_headers!(ok, "text"), with_headers!(sse, messages)] {
        let response = response.unwrap();
        for (name, value) in [
            ("etag", "\"v7\""),
            ("cache-control", "no-store"),
            ("content-type", "text/csv"),
            ("x-id", "7"),
        ] {
            assert_eq!(response.headers()[name], value);
            assert_eq!(response.headers().get_all(name).iter().count(), 1);
        }
    }
}

#[test]
fn tuples_are_status_headers_and_body() {
    let tag = ETag::weak("1").unwrap();
    check((StatusCode::CREATED, [("x-id", "7")], tag, Json(1)).into_response(), 201, JSON, 1);
    check((StatusCode::NOT_FOUND, "none").into_response(), 404, TEXT, 4);
    check(([("content-type", "a/b")], Some("x")).into_response(), 200, "a/b", 1);
    check((StatusCode::ACCEPTED, ok!("text")).into_response(), 202, TEXT, 4);
}

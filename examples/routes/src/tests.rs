//! Tests the responses that the guide shows, in process.

use http_body_util::BodyExt;
use volga::http::HttpBody;

/// Sends a request from a client that prefers errors as text. Returns the status, the headers and
/// the text of the response.
async fn send(line: &str, headers: &[(&str, &str)], body: &str) -> (u16, http::HeaderMap, String) {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = http::Request::builder().method(method).uri(path);
    request = request.header("accept", "text/plain");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(HttpBody::full(body.to_owned())).unwrap();
    let (head, body) = super::app().into_service().unwrap().respond(request).await.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), head.headers, String::from_utf8_lossy(&body).into_owned())
}

/// The status and the text of a response.
async fn ask(line: &str) -> (u16, String) {
    let (status, _, text) = send(line, &[], "").await;
    (status, text)
}

#[tokio::test]
async fn path_arguments_are_chosen_parsed_and_decoded() {
    for (path, status, text) in [
        ("/users/me", 200, "you"),
        ("/users/42", 200, "user number 42"),
        ("/users/J%C3%BCrgen/", 200, "user Jürgen"),
        ("/users/a%2Fb%2541", 200, "user a/b%41"),
        ("/users/%ff", 400, "path argument `name`: malformed percent-encoding"),
        ("/users/%zz", 400, "path: malformed percent-encoding"),
        ("/users//", 404, "no route matches this path"),
        ("/files/css/site.css", 200, "file css/site.css"),
        ("/files", 404, "no route matches this path"),
        ("/items/sku-7", 200, "item 7"),
        ("/items/7", 400, "path argument `sku`: it starts with `sku-`"),
        ("/orders/2026/7", 200, "order 7 of 2026"),
        ("/orders/x/7", 400, "path argument `year`: invalid digit found in string"),
    ] {
        assert_eq!(ask(&format!("GET {path}")).await, (status, text.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn an_error_names_the_wrong_query_parameter() {
    for (query, status, text) in [
        ("?text=tea+pot&tag=new&tag=sale", 200, "tea pot, page 1, tags: new, sale"),
        ("?page=2&text=%C3%A9&unknown=1", 200, "é, page 2, tags: "),
        ("", 400, "query field `text` is missing"),
        ("?text=tea&page=two", 400, "query field `page`: invalid digit found in string"),
    ] {
        assert_eq!(ask(&format!("GET /search{query}")).await, (status, text.to_owned()), "{query}");
    }
}

#[tokio::test]
async fn groups_give_their_arguments_and_their_filter_to_all_routes() {
    for (path, status, text) in [
        ("/shops/tea", 200, "shop tea"),
        ("/shops/tea/orders/", 200, "orders of tea"),
        ("/shops/tea/orders/7", 200, "order 7 of tea"),
        ("/shops/closed/orders/7", 410, "the shop is closed"),
    ] {
        assert_eq!(ask(&format!("GET {path}")).await, (status, text.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn headers_are_read_and_sent_by_type() {
    let (status, _, text) = send("GET /key", &[("x-api-key", "secret")], "").await;
    assert_eq!((status, &*text), (200, "a key of 6 bytes"));
    assert_eq!(ask("GET /key").await, (400, "header `x-api-key` is missing".into()));
    assert_eq!(ask("GET /agent").await, (200, "you did not say who you are".into()));

    let (_, headers, text) = send("GET /attempt", &[("x-attempts", "2")], "").await;
    assert_eq!((&*text, &headers["x-attempts"]), ("attempt 2", &3.into()));
    assert_eq!(headers["x-correlation-id"], "7f");
    let (status, _, text) = send("GET /attempt", &[("x-attempts", "two")], "").await;
    assert_eq!((status, &*text), (400, "header `x-attempts`: it is a number"));

    let (status, headers, _) = send("GET /report", &[], "").await;
    assert_eq!((status, &headers["etag"]), (200, &http::HeaderValue::from_static("\"v7\"")));
    assert_eq!(headers["cache-control"], "private, max-age=60");
    assert_eq!(send("GET /report", &[("if-none-match", "\"v7\"")], "").await.0, 304);
}

#[tokio::test]
async fn json_errors_say_what_does_not_match() {
    let json = [("content-type", "application/json")];
    let anna = r#"{"name":"Anna","age":30}"#;
    assert_eq!(ask("GET /people/7").await, (200, anna.into()));
    let (status, headers, text) = send("POST /people", &json, anna).await;
    assert_eq!((status, &*text), (201, anna));
    assert_eq!(headers["location"], "/people/7");

    assert_eq!(send("POST /people", &[], anna).await.0, 415);
    assert_eq!(send("POST /people", &json, "{").await.0, 400);
    let (status, _, text) = send("POST /people", &json, r#"{"name":"Anna","age":300}"#).await;
    assert_eq!(status, 422);
    assert!(text.starts_with("the JSON does not fit at `age`: "), "{text}");

    assert_eq!(ask("PUT /people").await, (200, r#"{"name":null}"#.into()));
    let (status, _, text) = send("PUT /people", &json, anna).await;
    assert_eq!((status, &*text), (200, r#"{"adult":true,"name":"Anna"}"#));
    let (status, _, text) = send("PATCH /people", &json, "[]").await;
    assert_eq!(status, 422);
    assert!(text.starts_with(r#"{"refused":"#), "{text}");
}

#[tokio::test]
async fn many_values_are_read_line_by_line_and_a_large_body_is_refused() {
    let lines = [("content-type", "application/x-ndjson")];
    let people = "{\"name\":\"Anna\",\"age\":30}\n{\"name\":\"Ben\",\"age\":3}\n";
    let (status, _, text) = send("POST /people/import", &lines, people).await;
    assert_eq!((status, &*text), (200, r#"{"adults":1}"#));
    let (status, _, text) = send("POST /people/import", &lines, &format!("{people}[")).await;
    assert_eq!(status, 400);
    assert!(text.starts_with("line 3: malformed JSON: "), "{text}");

    let large = " ".repeat(6_000_000);
    let json = [("content-type", "application/json")];
    assert_eq!(send("POST /people", &json, &large).await.0, 413);
    assert_eq!(send("POST /people/import", &lines, &large).await.0, 413, "a line has a limit, too");
}

#[tokio::test]
async fn methods_respond_as_they_are_mapped() {
    let (status, headers, text) = send("HEAD /notes", &[], "").await;
    assert_eq!((status, &*text, &headers["content-length"]), (200, "", &6.into()));
    let (_, headers, _) = send("HEAD /archive", &[], "").await;
    assert_eq!((&headers["content-length"], &headers["x-parts"]), (&1_048_576.into(), &1.into()));

    let (status, headers, _) = send("OPTIONS /notes", &[], "").await;
    assert_eq!((status, &headers["allow"]), (204, &"GET, HEAD, TRACE, PURGE".parse().unwrap()));
    let (_, headers, _) = send("OPTIONS /archive", &[], "").await;
    assert_eq!(headers["accept-ranges"], "none");
    assert_eq!(ask("POST /notes").await.0, 405);
    assert_eq!(ask("PURGE /notes").await, (200, "purged".into()));

    let secret = [("x-id", "7"), ("authorization", "Bearer secret"), ("cookie", "a=b")];
    let (_, headers, text) = send("TRACE /notes?a=b", &secret, "").await;
    assert_eq!(headers["content-type"], "message/http");
    assert_eq!(text, "TRACE /notes?a=b HTTP/1.1\r\naccept: text/plain\r\nx-id: 7\r\n\r\n");
}

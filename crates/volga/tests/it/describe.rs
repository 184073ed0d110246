//! The descriptions of arguments, responses and middleware, and the checks at start-up.

use volga::{
    App, HttpResult, Json, NdJson, Path, Query,
    error::Error,
    http::{
        Bytes, DescribedResponse, Description, Extension, FromRequest, FromRequestParts,
        HeaderName, Method, RequestParts, StatusCode, sse::Message,
    },
    middleware::NextCall,
    ok,
};

use super::in_process::{send, service};

/// The store of sessions.
struct Sessions;

/// The user who sends the request.
struct User;

impl FromRequestParts for User {
    fn describe(description: &mut Description) {
        description
            .reads_header(HeaderName::from_static("x-session"))
            .uses_service::<Sessions>()
            .responds(StatusCode::UNAUTHORIZED, &[]);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        let has_session = parts.headers.contains_key("x-session");
        has_session
            .then_some(Self)
            .ok_or_else(|| Error::new(StatusCode::UNAUTHORIZED, "no session"))
    }
}

#[test]
fn a_service_that_an_extractor_declares_must_be_registered() {
    let maps: [fn(&mut App); 5] = [
        |app| {
            app.map_get("/a", |_: User| "");
        },
        |app| {
            app.map_get("/a", |_: u8, _: User, _: Bytes| "");
        },
        |app| {
            app.map_get("/a", || "").filter(|_: User| true);
        },
        |app| {
            app.map_get("/a", || "").with(|_: User, next: NextCall| async { next.await });
        },
        |app| {
            app.map_get("/a", || "");
            app.filter(|_: User| true);
        },
    ];
    for (number, map) in maps.into_iter().enumerate() {
        let mut app = App::new();
        map(&mut app);
        let text = app.check().unwrap_err().to_string();
        assert!(text.contains("GET /a") && text.contains("Sessions"), "{number}: {text}");
        app.add_singleton(Sessions);
        let rest = app.check().err().map(|faults| faults.to_string()).unwrap_or_default();
        assert!(!rest.contains("Sessions"), "{number}: {rest}");
    }
    // The handler decides what it does without the service.
    let mut app = App::new();
    app.map_get("/a", |_: Result<User, Error>| "");
    app.check().unwrap();
}

/// An extractor that takes two path arguments, and declares them.
struct Pair(u8, u8);

impl FromRequestParts for Pair {
    fn describe(description: &mut Description) {
        <(u8, u8) as volga::middleware::PartsArgs>::describe(description);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        Ok(Self(u8::from_request_parts(parts).await?, u8::from_request_parts(parts).await?))
    }
}

#[tokio::test]
async fn path_arguments_that_an_extractor_declares_are_counted() {
    let service = service(|app| {
        app.map_get("/{a}/{b}/{c}", |Pair(a, b): Pair, c: u8| ok!("{a} {b} {c}"));
    });
    assert_eq!(send(&service, "GET /1/2/3", &[], "").await.body, "1 2 3");
    let mut app = App::new();
    app.map_get("/{a}/{b}", |_: Pair, _: u8| "");
    let text = app.check().unwrap_err().to_string();
    assert!(text.contains("takes 3 path arguments, but the pattern has 2"), "{text}");
}

fn statuses(description: &Description) -> Vec<Option<u16>> {
    let status = |response: &DescribedResponse| response.status.map(|status| status.as_u16());
    description.responses().iter().map(status).collect()
}

#[test]
fn the_description_of_a_route_covers_its_handler_and_its_middleware() {
    let mut app = App::new();
    app.add_singleton(Sessions);
    app.filter(|_: User| true);
    let route = app.map_put("/{a}/{b}", async |_: u8, _: Query<[u8; 0]>, body: Json<u8>| body);
    let description = route.description();
    assert_eq!((description.path_args(), description.is_query_read()), (1, true));
    assert!(!description.is_path_read() && !description.are_extensions_read());
    assert_eq!(description.headers()[0].name, "x-session");
    assert_eq!(description.body().unwrap().media_types, ["application/json"]);
    assert_eq!(
        statuses(&description),
        [Some(400), Some(413), Some(415), Some(422), Some(200), Some(401), None],
    );
    let found =
        description.responses().iter().find(|response| response.status.is_some_and(|s| s == 200));
    assert_eq!(found.unwrap().media_types, ["application/json"]);
}

#[test]
fn responses_describe_their_status_and_their_media_types() {
    fn check<T: volga::http::IntoResponse>(expect: &[(Option<u16>, &[&str])]) {
        let mut description = Description::new();
        T::describe(&mut description);
        let media = |response: &DescribedResponse| response.media_types.clone();
        let found: Vec<_> = statuses(&description)
            .into_iter()
            .zip(description.responses().iter().map(media))
            .collect();
        let expect: Vec<_> =
            expect.iter().map(|(status, media)| (*status, media.to_vec())).collect();
        assert_eq!(found, expect, "{}", std::any::type_name::<T>());
    }
    const ERROR: &[&str] = &["application/problem+json", "text/plain"];
    check::<&str>(&[(Some(200), &["text/plain"])]);
    check::<u8>(&[(Some(200), &["text/plain"])]);
    check::<Vec<u8>>(&[(Some(200), &["application/octet-stream"])]);
    check::<()>(&[(Some(200), &[])]);
    check::<Option<Json<u8>>>(&[
        (Some(200), &["application/json"]),
        (Some(404), &["application/problem+json", "text/plain"]),
    ]);
    check::<Result<NdJson<u8>, Error>>(&[(Some(200), &["application/x-ndjson"]), (None, ERROR)]);
    check::<(StatusCode, Json<u8>)>(&[(None, &["application/json"])]);
    check::<([(&str, &str); 1], &str)>(&[(Some(200), &["*/*"])]);
    check::<(volga::headers::ETag, &str)>(&[(Some(200), &["text/plain"])]);
    check::<HttpResult>(&[(None, &["*/*"]), (None, ERROR)]);
    check::<StatusCode>(&[(None, &["*/*"])]);
    check::<volga::http::sse::SseStream<futures_util::stream::Empty<Message>>>(&[(
        Some(200),
        &["text/event-stream"],
    )]);
}

/// Checks the description of an argument: the number of path arguments, and whether it reads the
/// path, the query, any headers, the extensions and the body.
#[track_caller]
fn check_reads<T: FromRequest<Via>, Via>(path_args: usize, reads: [bool; 5]) {
    let mut description = Description::new();
    T::describe(&mut description);
    let found = [
        description.is_path_read(),
        description.is_query_read(),
        description.are_headers_read(),
        description.are_extensions_read(),
        description.body().is_some(),
    ];
    assert_eq!(
        (description.path_args(), found),
        (path_args, reads),
        "{}",
        std::any::type_name::<T>()
    );
}

#[test]
fn arguments_describe_what_they_read() {
    struct Silent;
    impl FromRequestParts for Silent {
        async fn from_request_parts(_: &mut RequestParts) -> Result<Self, Error> {
            Ok(Self)
        }
    }
    check_reads::<u8, _>(1, [false; 5]);
    check_reads::<Result<u8, Error>, volga_core::ViaParts>(1, [false; 5]);
    check_reads::<Path<u8>, _>(0, [true, false, false, false, false]);
    check_reads::<Option<Query<u8>>, volga_core::ViaParts>(0, [false, true, false, false, false]);
    check_reads::<volga::http::Uri, _>(0, [true, true, false, false, false]);
    check_reads::<volga::http::HeaderMap, _>(0, [false, false, true, false, false]);
    check_reads::<Method, _>(0, [false; 5]);
    check_reads::<Extension<u8>, _>(0, [false, false, false, true, false]);
    check_reads::<Option<Json<u8>>, volga_core::ViaRequest>(0, [false, false, false, false, true]);
    check_reads::<volga::HttpRequest, _>(0, [true; 5]);
    // It reads no body, even as the last argument.
    check_reads::<Silent, _>(0, [true, true, true, true, false]);
}

#[tokio::test]
async fn a_handler_that_takes_the_error_of_a_body_gets_it_before_the_body_is_read() {
    let service = service(|app| {
        app.body_limit(4);
        app.map_post("/", async |body: Result<volga::HttpBody, Error>| match body {
            Ok(_) => ok!("a body"),
            Err(error) => ok!("{}", error.status().as_u16()),
        });
    });
    assert_eq!(send(&service, "POST /", &[], "1234").await.body, "a body");
    assert_eq!(send(&service, "POST /", &[], "12345").await.body, "413");
}

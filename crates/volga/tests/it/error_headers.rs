//! The headers of errors reach the client, whoever made the error and the response.

use std::sync::{Arc, Mutex};

use volga::{
    App, Group,
    error::{Error, Problem},
    headers::{RetryAfter, WwwAuthenticate},
    http::{FromRequestParts, RequestParts, StatusCode},
    middleware::{HttpContext, Next},
    test::TestClient,
};

fn unauthorized() -> Error {
    Error::new(StatusCode::UNAUTHORIZED, "no token")
        .with_header(WwwAuthenticate::from_static("Basic"))
        .with_header(("www-authenticate", "Bearer"))
}

fn busy() -> Problem {
    Problem::new(503).with_header(RetryAfter::from_static("30")).with_header(("x-queue", "7"))
}

struct Token;

impl FromRequestParts for Token {
    async fn from_request_parts(_: &mut RequestParts) -> Result<Self, Error> {
        Err(unauthorized())
    }
}

fn map(group: &mut Group) {
    group.map_get("/handler", || Err::<(), _>(unauthorized()));
    group.map_get("/argument", async |_: Token| "");
    group.map_get("/filter", || "").filter(|| Err::<(), _>(unauthorized()));
    group
        .map_get("/wrap", || "")
        .wrap(async |_: HttpContext, _: Next| Err::<(), _>(unauthorized()));
    group.map_get("/cloned", || {
        let error = unauthorized();
        let clone = error.clone().with_status(StatusCode::UNAUTHORIZED);
        drop(error);
        Err::<(), _>(clone)
    });
    group.map_get("/problem", || Err::<(), Error>(busy().into()));
    group.map_get("/returned", busy);
    group.map_get("/client-problem", || {
        Problem::new(401)
            .with_header(("www-authenticate", "Basic"))
            .with_header(("www-authenticate", "Bearer"))
    });
}

#[tokio::test]
async fn headers_reach_the_client_whatever_creates_the_response() {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&reports);
    let mut app = App::new().on_error(move |report| {
        kept.lock().unwrap().push(report.error().headers().cloned().unwrap_or_default());
    });
    app.group("/plain", map);
    app.group("/mapped", |group| {
        map(group);
        group.map_err(|error: Error| (error.status(), "mapped"));
    });
    app.group("/async", |group| {
        map(group);
        group.map_err(async |error: Error| error.problem());
    });
    app.group("/same", |group| {
        map(group);
        group.map_err(|error: Error| Err::<(), _>(error));
    });
    app.group("/other", |group| {
        map(group);
        group.map_err(|error: Error| {
            let status = error.status();
            Err::<(), _>(Error::new(status, "other").with_header(("x-other", "1")))
        });
    });
    app.group("/panics", |group| {
        map(group);
        group.map_err(|_: Error| -> () { panic!("on purpose") });
    });
    let client = TestClient::new(app);
    for group in ["/plain", "/mapped", "/async", "/same", "/other", "/panics"] {
        let places = ["handler", "argument", "filter", "wrap", "cloned", "problem", "returned"];
        // An error mapper does not see a problem with 4xx that a handler returns.
        for place in places.into_iter().chain(["client-problem"]) {
            for accept in ["application/json", "text/plain"] {
                let path = format!("{group}/{place}");
                let response = client.get(&path).header("accept", accept).send().await;
                let headers = response.headers();
                let values = |name: &str| -> Vec<_> { headers.get_all(name).iter().collect() };
                if ["problem", "returned"].contains(&place) {
                    assert_eq!(values("retry-after"), ["30"], "{path}");
                    assert_eq!(values("x-queue"), ["7"], "{path}");
                    // The mapper's own error is reported after it.
                    let reports = std::mem::take(&mut *reports.lock().unwrap());
                    assert_eq!(reports[0]["retry-after"], "30", "{path}");
                } else {
                    assert_eq!(values("www-authenticate"), ["Basic", "Bearer"], "{path}");
                    reports.lock().unwrap().clear();
                }
                assert_eq!(values("content-type").len(), 1, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_header_of_the_mapper_is_not_replaced() {
    let mut app = App::new();
    app.map_get("/", || Err::<(), _>(unauthorized()));
    app.map_err(|error: Error| {
        (error.status(), [("www-authenticate", "Negotiate"), ("content-type", "a/b")], "mapped")
    });
    let response = TestClient::new(app).get("/").send().await;
    let values: Vec<_> = response.headers().get_all("www-authenticate").iter().collect();
    assert_eq!(values, ["Negotiate"]);
    assert_eq!(response.headers()["content-type"], "a/b");
}

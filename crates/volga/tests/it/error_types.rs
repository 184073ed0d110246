//! The errors that handlers may pass on with `?`, and return.

use std::error::Error as StdError;

use anyhow::Context;
use volga::{
    App, HttpResult, Json,
    error::{Error, ErrorResponse, Problem},
    http::{Bytes, IntoResponse, StatusCode},
    ok, redirect, status,
    test::TestClient,
};

type BoxError = Box<dyn StdError + Send + Sync>;

#[derive(Debug, thiserror::Error)]
enum ShopError {
    #[error("there is no {0} here")]
    Unknown(String),
    #[error("the database failed")]
    Database(#[source] std::io::Error),
}

/// An error with another one as its cause.
#[derive(Debug, thiserror::Error)]
#[error("outer")]
struct Outer(#[source] ShopError);

impl ShopError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unknown(_) => StatusCode::NOT_FOUND,
            Self::Database(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

fn with_anyhow() -> anyhow::Result<u8> {
    "secret".parse::<u8>().context("the secret step failed")
}

fn boxed() -> Result<u8, BoxError> {
    Err("a secret text".into())
}

fn shop(item: &str) -> Result<u8, ShopError> {
    match item {
        "tea" => Ok(3),
        "gold" => Err(ShopError::Database(std::io::Error::other("secret"))),
        _ => Err(ShopError::Unknown(item.to_owned())),
    }
}

#[tokio::test]
async fn anyhow_and_boxed_errors_are_server_errors_with_all_their_causes() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut app = App::new().on_error(move |report| sender.send(report.to_string()).unwrap());
    app.map_get("/anyhow/try", || ok!("{}", with_anyhow()?));
    app.map_get("/anyhow/ok", async || Ok::<_, Error>(with_anyhow()?));
    app.map_get("/anyhow/returned", async || with_anyhow());
    app.map_get("/anyhow/json", || -> anyhow::Result<Json<u8>> { Ok(Json(with_anyhow()?)) });
    app.map_get("/boxed/try", || ok!("{}", boxed()?));
    app.map_get("/boxed/ok", async || Ok::<_, Error>(boxed()?));
    app.map_get("/boxed/returned", boxed);
    app.map_get("/filtered", || "").filter(|| boxed().map(|_| ()));
    let client = TestClient::new(app);
    for (path, log) in [
        ("/anyhow/try", "the secret step failed: invalid digit found in string"),
        ("/anyhow/ok", "the secret step failed: invalid digit found in string"),
        ("/anyhow/returned", "the secret step failed: invalid digit found in string"),
        ("/anyhow/json", "the secret step failed: invalid digit found in string"),
        ("/boxed/try", "a secret text"),
        ("/boxed/ok", "a secret text"),
        ("/boxed/returned", "a secret text"),
        ("/filtered", "a secret text"),
    ] {
        let response = client.get(path).send().await;
        assert_eq!(response.status(), 500, "{path}");
        assert!(!response.text().await.contains("secret"), "{path}");
        let report = receiver.try_recv().expect("a report");
        assert!(report.starts_with(&format!("500 GET {path}: {log} (reference")), "{report}");
    }
}

#[tokio::test]
async fn an_error_type_that_derives_thiserror_chooses_its_status_by_a_rule() {
    let mut app = App::new()
        .on_error(|_| {})
        .with_error_status(ShopError::status)
        .with_status_rule(|error| error.is::<Outer>().then_some(StatusCode::GONE));
    app.map_get("/shop/{item}", |item: String| ok!("{}", shop(&item)?));
    app.map_get("/returned/{item}", async |item: String| shop(&item));
    app.map_get("/boxed/{item}", |item: String| -> Result<u8, BoxError> { Ok(shop(&item)?) });
    app.map_get("/io/{item}", |item: String| -> std::io::Result<u8> {
        shop(&item).map_err(std::io::Error::other)
    });
    app.map_get("/anyhow/{item}", |item: String| -> anyhow::Result<u8> {
        shop(&item).context(format!("there is no {item} here"))
    });
    app.map_get("/filtered/{item}", |item: String| shop(&item).ok())
        .filter(|item: String| shop(&item).map(|_| ()));
    // A rule that was added later is asked first, and about the error itself.
    app.map_get("/outer", || Err::<(), _>(Outer(ShopError::Unknown("x".to_owned()))));
    // The factory of a service is not the client's fault, whatever its error is.
    app.add_scoped_factory(|| -> Result<u8, Error> { Ok(shop("silver")?) });
    app.map_get("/service", |_: volga::di::Dc<u8>| "");
    let client = TestClient::new(app);
    client.get("/outer").send().await.assert_status(410);
    client.get("/service").send().await.assert_status(500);
    for path in ["/shop", "/returned", "/boxed", "/io", "/anyhow", "/filtered"] {
        for (item, status, shown) in [
            ("tea", 200, "3"),
            ("silver", 404, "there is no silver here"),
            ("gold", 503, "Service Unavailable"),
        ] {
            let response = client.get(&format!("{path}/{item}")).send().await;
            assert_eq!(response.status(), status, "{path}/{item}");
            let text = response.text().await;
            assert!(text.contains(shown) && !text.contains("secret"), "{text}");
        }
    }
}

#[test]
fn an_error_goes_into_a_box_and_comes_back() {
    let boxed: BoxError = Error::from(std::io::Error::other("cause")).into();
    assert!(boxed.is::<std::io::Error>());
    assert_eq!(Error::from(boxed).to_string(), "cause");
    assert_eq!(Error::from(anyhow::anyhow!("text")).status(), 500);
}

/// An error with a response of its own, and one that derives `thiserror::Error`, too.
struct Plain(u16);

#[derive(Debug, thiserror::Error)]
#[error("derived")]
struct Derived(u16);

impl IntoResponse for Plain {
    fn into_response(self) -> HttpResult {
        match self.0 {
            303 => redirect!("/login"),
            code => status!(code, { "code": code }; [("x-own", "1")]),
        }
    }
}

impl IntoResponse for Derived {
    fn into_response(self) -> HttpResult {
        Plain(self.0).into_response()
    }
}

/// Fails in each way that converts into an `ErrorResponse`.
fn fail(way: &str, status: u16) -> Result<u8, ErrorResponse> {
    let code = StatusCode::from_u16(status).unwrap();
    match way {
        "plain" => Err(Plain(status))?,
        "derived" => Err(Derived(status))?,
        "status" => Err(code)?,
        "text" => Err((code, "a private text"))?,
        "string" => Err((code, String::from("a private text")))?,
        "problem" => Err(Problem::of(code))?,
        "error" => Err(Error::new(code, "a private text"))?,
        "macro" => Err(status!(status, { "code": status }; [("x-own", "1")]))?,
        "response" => Err(Plain(status).into_response()?)?,
        _ => Ok(1),
    }
}

#[tokio::test]
async fn any_value_with_a_response_is_an_error_of_handlers_filters_and_middleware() {
    let (sender, reports) = std::sync::mpsc::channel();
    let mut app = App::new().on_error(move |report| sender.send(report.to_string()).unwrap());
    app.map_err(|error: Error| async move {
        (error.status(), [("x-mapped", "1")], error.public_message())
    });
    app.map_get("/sync/{way}/{n}", |way: String, n: u16| fail(&way, n));
    app.map_get(
        "/async/{way}/{n}",
        async |way: String, n: u16| -> Result<HttpResult, ErrorResponse> {
            let found = fail(&way, n)?;
            Ok(ok!("{found}"))
        },
    );
    app.map_get("/macro/{way}/{n}", async |way: String, n: u16| ok!("{}", fail(&way, n)?));
    app.map_get("/detached/{way}/{n}", volga::detached(async |way: String, n: u16| fail(&way, n)));
    app.map_get("/filter/{way}/{n}", |_: String, _: u16| "1")
        .filter(|way: String, n: u16| fail(&way, n).map(|_| true));
    app.map_get("/wrap/{way}/{n}", |_: String, _: u16| "1").wrap(async |ctx, next| {
        let path: Vec<_> = ctx.uri.path().split('/').map(str::to_owned).collect();
        fail(&path[2], path[3].parse::<u16>().map_err(Error::from)?)?;
        Ok::<_, ErrorResponse>(next.run(ctx).await)
    });
    let client = TestClient::new(app);
    for place in ["sync", "async", "macro", "detached", "filter", "wrap"] {
        client.get(&format!("/{place}/none/200")).send().await.assert_status(200);
        for (way, is_mapped) in [
            ("plain", false),
            ("derived", false),
            ("macro", false),
            ("response", false),
            ("status", true),
            ("text", true),
            ("string", true),
            ("problem", true),
            ("error", true),
        ] {
            for status in [303, 404, 422, 500, 503] {
                if status == 303 && is_mapped {
                    continue;
                }
                let path = format!("/{place}/{way}/{status}");
                let response = client.get(&path).send().await;
                assert_eq!(response.status(), status, "{path}");
                assert_eq!(response.header("x-mapped").is_some(), is_mapped, "{path}");
                if status >= 400 {
                    assert_eq!(response.header("x-own").is_some(), !is_mapped, "{path}");
                }
                let reports: Vec<_> = reports.try_iter().collect();
                // A response that the application made itself is reported if it is a 500.
                let is_reported = status == 500 || (status > 500 && is_mapped);
                assert_eq!(reports.len(), usize::from(is_reported), "{path}: {reports:?}");
                let text = response.text().await;
                assert!(status < 500 || !text.contains("private"), "{path}: {text}");
            }
        }
    }
    // A status that is not final is a mistake wherever it comes from.
    client.get("/sync/plain/103").send().await.assert_status(500);
    client.get("/sync/status/200").send().await.assert_status(500);
}

/// The body of a response may be a stream, which is sent once although errors can be cloned.
#[tokio::test]
async fn the_body_of_a_response_that_is_an_error_is_sent() {
    let mut app = App::new();
    app.map_get("/", || -> Result<(), ErrorResponse> {
        let body = volga::HttpBody::full(Bytes::from_static(b"whole"));
        let mut response = volga::HttpResponse::new(body);
        *response.status_mut() = StatusCode::GONE;
        Err(response)?
    });
    let response = TestClient::new(app).get("/").send().await;
    response.assert_status(410);
    assert_eq!(response.text().await, "whole");
}

//! The errors that handlers may pass on with `?`, and return.

use std::error::Error as StdError;

use anyhow::Context;
use volga::{App, Json, error::Error, http::StatusCode, ok, test::TestClient};

type BoxError = Box<dyn StdError + Send + Sync>;

#[derive(Debug, thiserror::Error)]
enum ShopError {
    #[error("there is no {0} here")]
    Unknown(String),
    #[error("the database failed")]
    Database(#[source] std::io::Error),
}

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
        .with_status_rule(|error| error.downcast_ref().map(ShopError::status));
    app.map_get("/shop/{item}", |item: String| ok!("{}", shop(&item)?));
    app.map_get("/returned/{item}", async |item: String| shop(&item));
    app.map_get("/boxed/{item}", |item: String| -> Result<u8, BoxError> { Ok(shop(&item)?) });
    let client = TestClient::new(app);
    for path in ["/shop", "/returned", "/boxed"] {
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

//! Arguments that are checked before the handler runs, by `garde` and by hand.

use garde::Validate as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use volga::{
    App, FieldErrors, Form, Json, NonEmptyFields, Path, Query, Valid, Validate,
    error::{Error, ExtractError},
    http::{FieldNames, Method, StatusCode, ValidArg},
    ok, status,
    test::TestClient,
};

#[derive(Debug, Deserialize, Serialize, garde::Validate)]
struct SignUp {
    #[garde(length(min = 2, max = 20))]
    name: String,
    #[garde(range(min = 18))]
    age: u8,
    #[garde(dive)]
    address: Option<Address>,
    #[garde(inner(ascii))]
    #[serde(default)]
    tag: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize, garde::Validate)]
struct Address {
    #[garde(length(min = 1))]
    city: String,
}

/// Connects the validator with Volga, once for the program.
fn garde_errors<T: garde::Validate<Context = ()>>(value: &T) -> FieldErrors {
    match value.validate() {
        Ok(()) => FieldErrors::new(),
        Err(report) => report.iter().map(|(path, error)| (path, error)).collect(),
    }
}

impl Validate for SignUp {
    fn field_errors(&self) -> FieldErrors {
        garde_errors(self)
    }
}

/// Checked by hand.
#[derive(Debug, Deserialize)]
struct Page {
    page: u32,
}

impl Validate for Page {
    fn field_errors(&self) -> FieldErrors {
        let mut errors = FieldErrors::new();
        if self.page == 0 {
            errors.add("page", "begins with 1");
        }
        errors
    }
}

fn app() -> App {
    let mut app = App::new();
    app.map_post("/json", async |Valid(Json(user)): Valid<Json<SignUp>>| ok!("{}", user.name))
        .map_post("/list", async |users: Valid<Json<Vec<SignUp>>>| ok!("{}", users.len()))
        .map_post("/form", async |Valid(Form(user)): Valid<Form<SignUp>>| ok!("{}", user.name))
        .map_post("/filled", async |user: Valid<Form<NonEmptyFields<SignUp>>>| ok!("{}", user.name))
        .map_get("/query", async |page: Valid<Query<Page>>| ok!("{}", page.page))
        .map_get("/pages/{page}", async |page: Valid<Path<Page>>| ok!("{}", page.page))
        .map_get("/optional", async |page: Option<Valid<Query<Page>>>| ok!("{}", page.is_some()))
        .map_post("/optional", async |user: Option<Valid<Json<SignUp>>>| ok!("{}", user.is_some()))
        .map_post("/result", async |user: Result<Valid<Json<SignUp>>, Error>| match user {
            Ok(_) => ok!("valid"),
            Err(error) => status!(error.status(), "{error}"),
        })
        .map_post("/taken", async |Json(user): Json<SignUp>| {
            let mut errors = FieldErrors::new();
            if user.name == "root" {
                errors.add("name", "is taken");
            }
            errors.into_result()?;
            ok!("free")
        });
    app
}

const WRONG: &str = "name=a&age=7&address[city]=&tag=a&tag=é";

fn wrong() -> Value {
    json!({ "name": "a", "age": 7, "address": { "city": "" }, "tag": ["a", "é"] })
}

/// The names and the messages of the errors in a problem, sorted.
fn errors(problem: &Value, member: &str) -> Vec<(String, String)> {
    let errors = problem["errors"].as_array().expect("a list").iter();
    let text = |error: &Value, member: &str| error[member].as_str().expect("a text").to_owned();
    let mut errors: Vec<_> =
        errors.map(|error| (text(error, member), text(error, "detail"))).collect();
    errors.sort();
    errors
}

#[tokio::test]
async fn all_errors_are_in_one_problem_document() {
    for client in [TestClient::new(app()), TestClient::serve(app()).await] {
        let json = client.post("/json").json(&wrong()).send().await;
        json.assert_status(422).assert_header("content-type", "application/problem+json");
        let problem: Value = json.json().await;
        assert_eq!(problem["status"], 422);
        assert!(problem["detail"].as_str().unwrap().starts_with("4 fields are not valid: "));
        let names = |found: Vec<(String, String)>| found.into_iter().map(|(name, _)| name);
        let found: Vec<_> = names(errors(&problem, "pointer")).collect();
        assert_eq!(found, ["#/address/city", "#/age", "#/name", "#/tag/1"]);

        let form = client.post("/form").header("content-type", "application/x-www-form-urlencoded");
        let form = form.body(WRONG).send().await;
        form.assert_status(422);
        let problem: Value = form.json().await;
        let found: Vec<_> = names(errors(&problem, "field")).collect();
        assert_eq!(found, ["address[city]", "age", "name", "tag[1]"]);

        let list = client.post("/list").json(&json!([{ "name": "ok", "age": 30 }, wrong()]));
        let problem: Value = list.send().await.json().await;
        assert!(errors(&problem, "pointer").iter().all(|(name, _)| name.starts_with("#/1/")));

        for path in ["/query?page=0", "/pages/0", "/optional?page=0"] {
            let response = client.get(path).send().await;
            response.assert_status(422);
            let found = errors(&response.json().await, "field");
            assert_eq!(found, [("page".to_owned(), "begins with 1".to_owned())], "{path}");
        }
    }
}

#[tokio::test]
async fn a_valid_value_and_a_value_that_cannot_be_read_are_as_without_the_check() {
    let client = TestClient::new(app());
    let right = json!({ "name": "Anna", "age": 30 });
    for (path, status) in [("/json", 200), ("/result", 200), ("/optional", 200), ("/taken", 200)] {
        client.post(path).json(&right).send().await.assert_status(status);
        client.post(path).json(&json!({ "name": "Anna" })).send().await.assert_status(422);
        client.post(path).body("x").send().await.assert_status(415);
    }
    client.post("/form").form(&right).send().await.assert_status(200);
    let missing = client.post("/form").form(&json!({ "age": 30 })).send().await;
    let problem: Value = missing.json().await;
    assert_eq!(problem["detail"], "form field `name` is missing");
    assert!(problem.get("errors").is_none(), "{problem}");
    client.post("/filled").form(&json!({ "name": "", "age": 30 })).send().await.assert_status(422);
    client.get("/query?page=1").send().await.assert_status(200);
    client.get("/query?page=x").send().await.assert_status(400);
    assert_eq!(client.get("/optional").send().await.text().await, "false");
    assert_eq!(client.post("/optional").send().await.text().await, "false");
}

#[tokio::test]
async fn handlers_error_mappers_and_text_clients_get_the_errors() {
    let client = TestClient::new(app());
    let text = client.post("/result").json(&wrong()).send().await;
    text.assert_status(422);
    assert!(text.text().await.contains("address.city: length is lower than 1"));
    let taken = client.post("/taken").json(&json!({ "name": "root", "age": 30 })).send().await;
    taken.assert_status(422);
    let found = errors(&taken.json().await, "pointer");
    assert_eq!(found, [("#/name".to_owned(), "is taken".to_owned())]);
    let text = client.get("/query?page=0").header("accept", "text/plain").send().await;
    assert_eq!(text.text().await.trim_end(), "1 field is not valid: page: begins with 1");

    let mut app = app();
    app.map_err(|error: Error| match error.cause().downcast_ref() {
        Some(ExtractError::Invalid { errors }) => {
            let names: Vec<_> = errors.iter().map(|(path, _)| path).collect();
            status!(418, "{}", names.join(" "))
        }
        _ => Err(error),
    });
    let client = TestClient::new(app);
    assert_eq!(client.get("/query?page=0").send().await.text().await, "page");
}

#[test]
fn the_status_of_the_check_is_described() {
    let mut app = App::new();
    for method in [Method::GET, Method::POST] {
        let route = match method {
            Method::GET => app.map_get("/", async |_: Valid<Query<Page>>| ""),
            _ => app.map_post("/", async |_: Option<Valid<Json<SignUp>>>| ""),
        };
        let responses = route.description().responses().to_vec();
        let statuses: Vec<_> = responses.iter().filter_map(|response| response.status).collect();
        assert!(statuses.contains(&StatusCode::UNPROCESSABLE_ENTITY), "{statuses:?}");
    }
}

/// An extractor of an application.
struct Own(u8);

impl volga::http::FromRequestParts for Own {
    async fn from_request_parts(parts: &mut volga::http::RequestParts) -> Result<Self, Error> {
        Ok(Self(parts.uri.query().unwrap_or_default().len() as u8))
    }
}

impl ValidArg for Own {
    const NAMES: FieldNames = FieldNames::Pointer;

    fn field_errors(&self) -> FieldErrors {
        let mut errors = FieldErrors::new();
        if self.0 > 3 {
            errors.add("", "is too long");
        }
        errors
    }
}

#[tokio::test]
async fn an_extractor_of_your_own_can_be_checked() {
    let mut app = App::new();
    app.map_get("/", |own: Valid<Own>| ok!("{}", own.0.0));
    let client = TestClient::new(app);
    client.get("/?abc").send().await.assert_status(200);
    let problem: Value = client.get("/?abcd").send().await.json().await;
    assert_eq!(problem["errors"], json!([{ "pointer": "#", "detail": "is too long" }]));
}

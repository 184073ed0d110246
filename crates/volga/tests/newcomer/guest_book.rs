//! A guest book with a form, from the pages "Forms", "Validation", "Dependency Injection" and
//! "Testing".

use std::sync::Mutex;

use serde::Deserialize;
use volga::{
    App, FieldErrors, Form, HttpResult, NonEmptyFields, Query, TrustedHtml, Valid, Validate,
    di::Dc,
    error::{Error, ExtractError},
    html, redirect,
    test::TestClient,
};

/// The entries: a name, and what the guest wrote.
#[derive(Default)]
struct Book(Mutex<Vec<(String, String)>>);

#[derive(Deserialize)]
struct Entry {
    name: String,
    text: String,
    #[serde(default)]
    tag: Vec<String>,
}

impl Validate for Entry {
    fn field_errors(&self) -> FieldErrors {
        let mut errors = FieldErrors::new();
        if self.name.is_empty() {
            errors.add("name", "is empty");
        }
        if self.text.len() > 200 {
            errors.add("text", "is too long");
        }
        errors
    }
}

#[derive(Deserialize)]
struct Search {
    name: Option<String>,
    most: Option<usize>,
}

fn form(message: &str) -> HttpResult {
    html!(
        r#"<form method="post">
          <input name="name"> {message}
          <input name="text">
          <input name="tag" type="checkbox" value="loud">
        </form>"#
    )
}

fn app() -> App {
    let mut app = App::new();
    app.add_singleton(Book::default());
    app.map_get("/write", || form(""));
    app.map_post("/write", async |book: Dc<Book>, entry: Result<Valid<Form<Entry>>, Error>| {
        match entry {
            Ok(Valid(Form(entry))) => {
                let is_loud = entry.tag.iter().any(|tag| tag == "loud");
                let text = if is_loud { entry.text.to_uppercase() } else { entry.text };
                book.0.lock().unwrap().push((entry.name, text));
                redirect!("/")
            }
            Err(error) => match error.cause().downcast_ref() {
                Some(ExtractError::Invalid { errors }) => form(&errors.to_string()),
                _ => Err(error),
            },
        }
    });
    app.map_get("/", async |book: Dc<Book>, search: Query<NonEmptyFields<Search>>| {
        let book = book.0.lock().unwrap();
        let entries = book
            .iter()
            .filter(|(name, _)| search.name.as_ref().is_none_or(|wanted| wanted == name))
            .take(search.most.unwrap_or(10));
        let list: Vec<_> = entries.map(|(name, text)| format!("{name}: {text}")).collect();
        html!("{}<pre>{}</pre>", TrustedHtml("<h1>Guests</h1>"), list.join("\n"))
    });
    app
}

#[tokio::test]
async fn a_guest_writes_and_is_read() {
    let client = TestClient::new(app());
    let write = async |fields: &[(&str, &str)]| client.post("/write").form(&fields).send().await;
    let written = write(&[("name", "Anna"), ("text", "hello & bye"), ("tag", "loud")]).await;
    written.assert_status(303).assert_header("location", "/");
    write(&[("name", "Ben"), ("text", "<b>")]).await.assert_status(303);

    let refused = write(&[("name", ""), ("text", &"x".repeat(201))]).await;
    let page = refused.text().await;
    assert!(page.contains("2 fields are not valid: name: is empty; text: is too long"), "{page}");
    write(&[("name", "Cleo")]).await.assert_status(422);
    let json = client.post("/write").json(&serde_json::json!({ "name": "Anna" })).send().await;
    json.assert_status(415);

    for (path, expect) in [
        ("/", "Anna: HELLO &amp; BYE\nBen: &lt;b&gt;"),
        ("/?name=&most=1", "Anna: HELLO &amp; BYE"),
        ("/?name=Ben&most=", "Ben: &lt;b&gt;"),
    ] {
        let page = client.get(path).send().await.text().await;
        assert_eq!(page, format!("<h1>Guests</h1><pre>{expect}</pre>"), "{path}");
    }
    client.get("/?most=x").send().await.assert_status(400);
}

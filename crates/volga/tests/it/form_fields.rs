//! Forms as arguments and responses.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use volga::{
    App, Form, NonEmptyFields,
    error::{Error, ExtractError},
    form,
    http::{Method, StatusCode},
    limits::MAX_FORM_FIELDS,
    ok, status,
    test::{TestClient, TestResponse},
};

const FORM: &str = "application/x-www-form-urlencoded";

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Order {
    name: String,
    #[serde(default)]
    tag: Vec<u8>,
    address: Option<Address>,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Address {
    city: String,
}

fn app() -> App {
    let mut app = App::new().on_error(|_| {});
    app.map_post("/", async |Form(order): Form<Order>| ok!(order))
        .map_put("/", async |order: Option<Form<Order>>| match order {
            Some(Form(order)) => ok!(order),
            None => ok!("none"),
        })
        .map_patch("/", async |order: Result<Form<Order>, Error>| match order {
            Ok(order) => form!(order.0),
            Err(error) => status!(error.status(), "{error}"),
        })
        .map_get("/", async |Form(order): Form<Order>| ok!(order))
        .map_query("/", async |Form(order): Form<Order>| ok!(order));
    app.map_get("/optional", async |order: Option<Form<Order>>| ok!("{}", order.is_some()));
    app.map_post("/map", async |Form(all): Form<BTreeMap<String, String>>| ok!(all));
    app.map_post("/pairs", async |Form(all): Form<Vec<(String, String)>>| Form(all));
    app.map_post("/empty", async |Form(NonEmptyFields(all)): Form<NonEmptyFields<Order>>| ok!(all));
    app.map_post("/short", async |_: Form<Order>| "").body_limit(8);
    app
}

async fn post(client: &TestClient, body: &str, content_type: Option<&str>) -> TestResponse {
    let mut request = client.post("/").body(body.to_owned());
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    request.send().await
}

#[tokio::test]
async fn each_status_says_what_is_wrong_with_a_form() {
    for client in [TestClient::new(app()), TestClient::serve(app()).await] {
        for (body, content_type, status, text) in [
            ("name=tea+pot&tag=1&tag=2&address[city]=x", Some(FORM), 200, "tea pot"),
            ("name=a&tag[]=1", Some("APPLICATION/x-www-form-urlencoded; charset=utf-8"), 200, "a"),
            ("name=a", Some("application/json"), 415, FORM),
            ("name=a", None, 415, FORM),
            ("name=a", Some("multipart/form-data; boundary=x"), 415, FORM),
            ("name=a", Some("application/x-www-form-urlencoded; charset=latin1"), 415, "latin1"),
            ("name=%FF", Some(FORM), 400, "`name`"),
            ("", Some(FORM), 422, "form field `name` is missing"),
            ("name=a&tag=1&tag=x", Some(FORM), 422, "`tag[1]`"),
            ("name=a&address[town]=x", Some(FORM), 422, "`address[city]` is missing"),
            ("name=a&name=b", Some(FORM), 422, "given 2 times"),
        ] {
            let response = post(&client, body, content_type).await;
            assert_eq!(response.status(), status, "{body}");
            let found = response.text().await;
            assert!(found.contains(text), "{body}: {found}");
        }
        let many = "a=1&".repeat(MAX_FORM_FIELDS + 1);
        post(&client, &many, Some(FORM)).await.assert_status(413);
        let short = client.post("/short").form(&json!({ "name": "too long" })).send().await;
        short.assert_status(413);
    }
}

#[tokio::test]
async fn for_get_and_head_the_fields_are_in_the_query() {
    let client = TestClient::new(app());
    let order = client.get("/?name=a&address[city]=x").send().await;
    order.assert_status(200);
    assert_eq!(order.json::<Order>().await.address.unwrap().city, "x");
    // A browser sends no body then, and a body of another client is not read.
    client.get("/?name=a").body("name=b").send().await.assert_status(200);
    client.request(Method::HEAD, "/?name=a").send().await.assert_status(200);
    client.request(Method::HEAD, "/?x=a").send().await.assert_status(400);
    let missing = client.get("/?x=1").send().await;
    missing.assert_status(400);
    assert!(missing.text().await.contains("query field `name` is missing"));
    for (path, text) in
        [("/optional", "false"), ("/optional?", "false"), ("/optional?name=a", "true")]
    {
        assert_eq!(client.get(path).send().await.text().await, text, "{path}");
    }
    client.get("/optional?x=a").send().await.assert_status(400);
    // QUERY has a body, and says which types it may have.
    let query =
        client.request(Method::QUERY, "/?name=q").form(&json!({ "name": "b" })).send().await;
    query.assert_status(200).assert_header("accept-query", FORM);
    assert_eq!(query.json::<Order>().await.name, "b");
}

#[tokio::test]
async fn an_optional_form_is_absent_without_a_body_and_a_content_type() {
    let client = TestClient::new(app());
    let put = || client.request(Method::PUT, "/");
    assert_eq!(put().send().await.text().await, "none");
    put().header("content-type", FORM).send().await.assert_status(422);
    put().body("name=a").send().await.assert_status(415);
    put().form(&[("name", "a")]).send().await.assert_status(200);
    let patch = || client.patch("/");
    let response = patch().body("name=a").send().await;
    response.assert_status(415);
    let order = Order { name: "é&=".into(), tag: vec![1, 2], address: None };
    let response = patch().form(&order).send().await;
    response.assert_status(200).assert_header("content-type", FORM);
    assert_eq!(response.text().await, "name=%C3%A9%26%3D&tag=1&tag=2");
}

#[tokio::test]
async fn maps_pairs_and_empty_fields_are_read() {
    let client = TestClient::new(app());
    let send = async |path: &str, body: &str| {
        let request = client.post(path).header("content-type", FORM).body(body.to_owned());
        request.send().await
    };
    let map: HashMap<String, String> = send("/map", "a[b]=1&c=").await.json().await;
    assert_eq!(map, HashMap::from([("a[b]".to_owned(), "1".to_owned()), ("c".into(), "".into())]));
    assert_eq!(send("/pairs", "b=1&a=2&b=3").await.text().await, "b=1&a=2&b=3");
    let order: Order = send("/empty", "name=a&tag=&address[city]=").await.json().await;
    assert_eq!(order, Order { name: "a".to_owned(), tag: Vec::new(), address: None });
    send("/empty", "name=").await.assert_status(422);
}

#[tokio::test]
async fn an_error_mapper_finds_the_fault_of_the_form() {
    let mut app = app();
    app.map_err(|error: Error| match error.cause().downcast_ref() {
        Some(ExtractError::MissingFormField { field }) => status!(418, "missing {field}"),
        Some(ExtractError::FormField { at, .. }) => status!(418, "odd {at}"),
        _ => Err(error),
    });
    let client = TestClient::new(app);
    for (body, text) in [("", "missing name"), ("name=a&tag=x", "odd tag[0]")] {
        assert_eq!(post(&client, body, Some(FORM)).await.text().await, text);
    }
}

#[test]
fn a_form_describes_its_media_type() {
    let mut app = App::new();
    let route = app.map_post("/", async |order: Form<Order>| order);
    let description = route.description();
    assert_eq!(description.body().unwrap().media_types, [FORM]);
    assert!(description.body().unwrap().is_required && description.is_query_read());
    let statuses: Vec<_> =
        description.responses().iter().filter_map(|found| found.status).collect();
    let expect = [400, 413, 415, 422, 200].map(|status| StatusCode::from_u16(status).unwrap());
    assert_eq!(statuses, expect);
    assert_eq!(description.responses().last().unwrap().media_types, [FORM]);
}

#[tokio::test]
async fn the_macro_takes_a_value_or_fields_and_headers() {
    let address = Address { city: "x".to_owned() };
    for (result, text) in [
        (form!({ "a": 1, "b": "x y", "c": null, "d": [1, 2] }), "a=1&b=x+y&d=1&d=2"),
        (form!(address), "city=x"),
        (form!(BTreeMap::from([("k", 1.5)]); [("x-id", "7")]), "k=1.5"),
        (form!({ "a": { "b": true } }; [("x-id", "7")]), "a%5Bb%5D=true"),
        (form!(()), ""),
    ] {
        let mut app = App::new();
        let headers = result.as_ref().unwrap().headers();
        assert_eq!(headers["content-type"], FORM);
        let result = std::sync::Mutex::new(Some(result));
        let result = std::sync::Arc::new(result);
        app.map_get("/", move || result.lock().unwrap().take().unwrap());
        assert_eq!(TestClient::new(app).get("/").send().await.text().await, text);
    }
    for error in [form!(1), form!("text"), form!([1, 2]), form!(Value::from(1))] {
        assert_eq!(error.unwrap_err().status(), 500);
    }
}

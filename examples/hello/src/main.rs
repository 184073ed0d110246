//! The first steps: text, path arguments, JSON, and a test that needs no socket.
//!
//! ```sh
//! cargo run -p hello
//! cargo run -p hello -- localhost:8080
//! PORT=8080 cargo run -p hello
//! curl localhost:7878/hello/Anna
//! curl localhost:7878/add/2/40
//! ```

use volga::{App, ok};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut app = App::new().with_env().with_addresses(std::env::args().skip(1));
    map_routes(&mut app);
    app.run().await
}

/// Maps the routes. It is separate from `main`, so that the test uses the same routes.
fn map_routes(app: &mut App) {
    app.map_get("/", || ok!("Hello, world!"));
    app.map_get("/hello/{name}", |name: String| ok!("Hello, {name}!"));
    app.map_get("/add/{a}/{b}", async |a: i32, b: i32| ok!({ "sum": i64::from(a) + i64::from(b) }));
}

#[cfg(test)]
mod tests {
    use volga::test::TestClient;

    use super::*;

    /// Requests a path. Returns the status and the text of the response.
    async fn get(path: &str) -> (u16, String) {
        let mut app = App::new();
        map_routes(&mut app);
        let response = TestClient::new(app).get(path).send().await;
        (response.status().as_u16(), response.text().await)
    }

    #[tokio::test]
    async fn routes_respond() {
        assert_eq!(get("/").await, (200, "Hello, world!".into()));
        assert_eq!(get("/hello/J%C3%BCrgen").await, (200, "Hello, Jürgen!".into()));
        assert_eq!(get("/add/2/40").await, (200, r#"{"sum":42}"#.into()));
        assert_eq!(get("/nowhere").await.0, 404);
    }

    #[tokio::test]
    async fn an_argument_that_is_not_a_number_is_a_client_error() {
        let (status, problem) = get("/add/2/x").await;
        assert_eq!(status, 400);
        assert!(problem.contains("path argument `b`: invalid digit found in string"), "{problem}");
    }
}

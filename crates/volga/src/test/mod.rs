//! A client for tests, which calls an app in process or over a real socket.
//!
//! It needs the feature `test` of this crate, which belongs into the `dev-dependencies`. Volga is
//! not published yet, so clone its repository next to your project: the path leads from your
//! project to the crate in the clone.
//!
//! ```toml
//! [dev-dependencies]
//! volga = { path = "../volga/crates/volga", features = ["test"] }
//! ```
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use volga::{App, Json, http::sse::Message, sse_stream, test::TestClient};
//!
//! #[derive(Debug, Deserialize, PartialEq, Serialize)]
//! struct User { name: String }
//!
//! fn app() -> App {
//!     let mut app = App::new();
//!     app.map_post("/users", async |Json(user): Json<User>| Json(user));
//!     app.map_get("/events", async || sse_stream! { yield Message::new().data("one"); });
//!     app
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! for client in [TestClient::new(app()), TestClient::serve(app()).await] {
//!     let anna = User { name: "Anna".to_owned() };
//!     let response = client.post("/users").json(&anna).send().await;
//!     response.assert_status(200);
//!     assert_eq!(response.json::<User>().await, anna);
//!
//!     let mut events = client.get("/events").send().await.events();
//!     assert_eq!(events.next().await.unwrap().unwrap().data(), "one");
//!
//!     client.get("/nothing").send().await.assert_status(404);
//! }
//! # }
//! ```
//!
//! An error panics, because a test cannot continue after it. The message has the response of the
//! server.

mod client;
mod cookies;
mod request;
mod response;
mod transport;
mod wire;

pub use client::TestClient;
pub use request::TestRequest;
pub use response::TestResponse;

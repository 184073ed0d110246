use volga::{App, http::StatusCode};

fn main() {
    let mut app = App::new();
    app.map_get("/", async || ("text", StatusCode::CREATED));
}

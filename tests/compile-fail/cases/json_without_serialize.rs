use volga::{App, Json};

struct User;

fn main() {
    let mut app = App::new();
    app.map_get("/", async || Json(User));
}

use volga::{App, ok};

struct User;

fn main() {
    let mut app = App::new();
    app.map_get("/", async || ok!(User));
}

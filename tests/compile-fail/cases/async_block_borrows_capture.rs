use std::sync::Arc;
use volga::{App, ok};

fn main() {
    let mut app = App::new();
    let greeting = Arc::new(String::from("hello"));
    app.map_get("/{name}", move |name: String| async { ok!("{greeting}, {name}") });
}

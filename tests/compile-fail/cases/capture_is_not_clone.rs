use std::sync::Mutex;
use volga::{App, ok};

fn main() {
    let mut app = App::new();
    let count = Mutex::new(0);
    app.map_get("/", async move || ok!("{:?}", count.lock()));
}

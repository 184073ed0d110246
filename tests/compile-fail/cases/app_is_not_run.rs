#![deny(unused_must_use)]

use volga::{App, ok};

#[tokio::main]
async fn main() {
    let mut app = App::new();
    app.map_get("/", || ok!());
    app.run();
}

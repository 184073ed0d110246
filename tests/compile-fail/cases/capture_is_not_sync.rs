use std::cell::Cell;
use std::sync::Arc;
use volga::{App, ok};

fn main() {
    let mut app = App::new();
    let count = Arc::new(Cell::new(0));
    app.map_get("/", move || ok!("{}", count.get()));
}

use std::sync::Arc;
use volga::{App, ok};

struct State;

fn main() {
    let mut app = App::new();
    app.map_get("/{id}", async |_: Arc<State>, id: u32| ok!("{id}"));
}

use volga::{App, ok};

fn main() {
    let mut app = App::new();
    app.map_get("/{id}", async |id: Option<u32>| ok!("{id:?}"));
}

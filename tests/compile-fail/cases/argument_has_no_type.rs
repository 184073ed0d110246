use volga::{App, ok};

fn main() {
    let mut app = App::new();
    app.map_get("/{id}", |id| ok!("{id}"));
}

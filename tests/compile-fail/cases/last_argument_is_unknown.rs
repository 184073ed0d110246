use volga::{App, ok};

struct Tenant;

fn main() {
    let mut app = App::new();
    app.map_get("/{id}", async |id: u32, _: Tenant| ok!("{id}"));
}

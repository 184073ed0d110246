use volga::{App, ok};

struct Tenant;

fn main() {
    let mut app = App::new();
    app.map_get("/{id}", async |_: Tenant, id: u32| ok!("{id}"));
}

use volga::{App, Json, ok};

fn main() {
    let mut app = App::new();
    app.map_post("/{id}", async |_: Json<Vec<u8>>, id: u32| ok!("{id}"));
}

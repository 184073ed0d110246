use volga::{App, Query, ok};

struct Search;

fn main() {
    let mut app = App::new();
    app.map_get("/", async |_: Query<Search>| ok!());
}

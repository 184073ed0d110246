use volga::{App, Json, ok};

struct User;

fn main() {
    let mut app = App::new();
    app.map_post("/", async |_: Json<User>| ok!());
}

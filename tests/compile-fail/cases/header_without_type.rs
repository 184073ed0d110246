use volga::{App, Header, ok};

fn main() {
    let mut app = App::new();
    app.map_get("/", async |_: Header<String>| ok!());
}

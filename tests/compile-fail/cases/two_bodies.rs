use volga::{App, HttpBody, HttpRequest, ok};

fn main() {
    let mut app = App::new();
    app.map_post("/", async |_: HttpRequest, _: HttpBody| ok!());
}

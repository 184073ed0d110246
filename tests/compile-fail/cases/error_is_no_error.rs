use volga::App;

struct Failure;

fn main() {
    let mut app = App::new();
    app.map_get("/", async || Err::<String, _>(Failure));
}

use volga::App;

struct User;

fn main() {
    let mut app = App::new();
    app.map_get("/", || User);
}

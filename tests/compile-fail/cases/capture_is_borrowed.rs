use volga::{App, ok};

fn main() {
    let mut app = App::new();
    let name = String::from("Volga");
    app.map_get("/", || ok!("{name}"));
}

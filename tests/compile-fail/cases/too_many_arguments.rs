use volga::App;

fn many(_: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8) -> u8 {
    0
}

fn main() {
    let mut app = App::new();
    app.map_get("/", many);
}

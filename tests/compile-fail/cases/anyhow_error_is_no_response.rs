use volga::App;

fn main() {
    let mut app = App::new();
    app.map_get("/", async || anyhow::anyhow!("it failed"));
}

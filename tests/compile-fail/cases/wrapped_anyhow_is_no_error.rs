use volga::App;

struct AppError(anyhow::Error);

async fn handler() -> Result<String, AppError> {
    Err(AppError(anyhow::anyhow!("it failed")))
}

fn main() {
    let mut app = App::new();
    app.map_get("/", handler);
}

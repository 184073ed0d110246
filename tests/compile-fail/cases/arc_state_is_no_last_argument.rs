use std::sync::{Arc, Mutex};
use volga::{App, ok};

async fn count(state: Arc<Mutex<u32>>) -> volga::HttpResult {
    ok!("{:?}", state.lock())
}

fn main() {
    let mut app = App::new();
    app.map_get("/", count);
}

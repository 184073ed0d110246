use std::rc::Rc;
use volga::{App, ok};

fn main() {
    let mut app = App::new();
    app.map_get("/", async || {
        let count = Rc::new(1);
        std::future::ready(()).await;
        ok!("{count}")
    });
}

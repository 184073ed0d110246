//! A JSON service for a list of people.

mod people;

use volga::App;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    app().with_env().with_addresses(std::env::args().skip(1)).run().await
}

/// The app, which the tests use as well.
fn app() -> App {
    let mut app = App::new();
    people::map(&mut app);
    app
}

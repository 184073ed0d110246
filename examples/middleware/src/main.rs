//! Middleware, errors, services and cancellation: one file for each page of the guide.
//!
//! ```sh
//! cargo run -p middleware
//! curl -i localhost:7878/shop/tea
//! curl localhost:7878/admin/stats -H 'x-api-key: secret'
//! curl localhost:7878/visits
//! curl -N localhost:7878/ticks
//! ```

mod around;
mod cancel;
mod errors;
mod layers;
mod services;
#[cfg(test)]
mod tests;

use volga::App;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    app().with_env().with_addresses(std::env::args().skip(1)).run().await
}

/// Builds the app. It is separate from `main`, so that the tests use the same app.
fn app() -> App {
    let mut app = App::new();
    around::map(&mut app);
    layers::map(&mut app);
    errors::map(&mut app);
    services::map(&mut app);
    cancel::map(&mut app);
    app
}

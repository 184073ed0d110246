//! Arguments and responses of handlers: one file for each page of the guide.
//!
//! ```sh
//! cargo run -p routes
//! curl localhost:7878/users/42
//! curl 'localhost:7878/search?text=tea+pot&tag=new&tag=sale'
//! curl localhost:7878/people --json '{"name":"Anna","age":30}'
//! curl -X TRACE localhost:7878/notes
//! ```

mod groups;
mod headers;
mod json;
mod methods;
mod path;
mod query;
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
    path::map(&mut app);
    query::map(&mut app);
    groups::map(&mut app);
    headers::map(&mut app);
    json::map(&mut app);
    methods::map(&mut app);
    app
}

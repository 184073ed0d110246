//! Accounts with sessions, a page with live notifications that ends at the sign-out in every tab,
//! and tokens for programs.
//!
//! ```sh
//! cargo run -p login
//! cargo run -p login -- accounts.sqlite
//! cargo run -p login -- accounts.sqlite localhost:8080
//! ```
//!
//! Open <http://localhost:7878> in two tabs. `README.md` says what to try, and what each file has.

mod accounts;
mod database;
mod notifications;
mod pages;
mod sqlite_sessions;
#[cfg(test)]
mod tests;
mod user;

use std::time::Duration;

use volga::{
    App, CancellationToken, auth::Tickets, di::Dc, error::Error, http::sse::Hub,
    middleware::CrossSiteProtection, sessions::Sessions,
};

use crate::accounts::Accounts;
use crate::database::{Database, IN_MEMORY};
use crate::sqlite_sessions::SqliteSessions;

/// How many notifications of a user the hub keeps for pages that return.
const HELD: usize = 100;
/// How often sessions that have ended are deleted.
const CLEAN_UP: Duration = Duration::from_secs(60 * 60);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_else(|| IN_MEMORY.to_owned());
    let app = app(Database::open(&file)?);
    app.with_env().with_addresses(arguments).run().await?;
    Ok(())
}

/// Builds the app. It is separate from `main`, so that the tests use the same app.
fn app(database: Database) -> App {
    let store = SqliteSessions::new(database.clone());
    let mut app = App::new();
    // No page of another site acts in the name of a user.
    app.refuse_cross_site(CrossSiteProtection::new());
    app.add_singleton(Sessions::new(store.clone()))
        .add_singleton(store)
        .add_singleton(Accounts::new(database.clone()))
        .add_singleton(database)
        .add_singleton(Tickets::<String>::new())
        .add_singleton(Hub::builder().max_messages(HELD).build());
    app.add_background_task("clean-up", clean_up);
    app.add_readiness_check("database", async |database: Dc<Database>| database.ping().await);
    app.map_liveness("/live");
    app.map_readiness("/ready");
    pages::map(&mut app);
    notifications::map(&mut app);
    app
}

/// Deletes the sessions that have ended, until the app shuts down.
async fn clean_up(shutdown: CancellationToken, sessions: Dc<SqliteSessions>) -> Result<(), Error> {
    let mut times = tokio::time::interval(CLEAN_UP);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            _ = times.tick() => sessions.delete_ended().await?,
        }
    }
}

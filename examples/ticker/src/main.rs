//! Prices that change thousands of times a second, and a live chart of them.
//!
//! ```sh
//! cargo run -p ticker
//! cargo run -p ticker -- localhost:8080
//! curl -N localhost:7878/events
//! curl -N 'localhost:7878/events?pace=1000'
//! curl -X PUT localhost:7878/rate --json '{"per_second":20000}'
//! ```
//!
//! All prices are one topic of a hub, in which each symbol is a key. A new reader gets the newest
//! price of each symbol, and then every change. A reader that falls behind gets the newest price of
//! each symbol again, and never a backlog.
//!
//! `walk.rs` computes the prices, `feed.rs` publishes them, `page.rs` has the page.

mod feed;
mod page;
#[cfg(test)]
mod tests;
mod walk;

use std::{io, sync::Arc, time::Duration};

use feed::{Feed, MAX_RATE, NewRate, Rate, TOPIC};
use serde::Deserialize;
use volga::{
    App, HttpResult, Json, Query,
    di::Dc,
    error::{Error, Problem},
    http::sse::{Hub, Policy, Resume, Sse, TopicError},
    sse,
};

/// The seed of the prices. The same seed gives the same prices.
const SEED: u64 = 7;
/// The slowest pace that a reader may ask for, in milliseconds.
const MAX_PACE: u64 = 60_000;

#[tokio::main]
async fn main() -> io::Result<()> {
    let hub = hub().map_err(io::Error::other)?;
    let feed = Feed::new(hub.clone(), SEED).map_err(io::Error::other)?;
    tokio::spawn(feed.clone().run());
    app(hub, feed).with_env().with_addresses(std::env::args().skip(1)).run().await
}

/// Builds a hub with one keyed topic, because its readers want the newest price of each symbol.
fn hub() -> Result<Hub, TopicError> {
    Ok(Hub::builder().keyed(TOPIC, walk::SYMBOLS.len())?.policy(Policy::Latest).build())
}

fn app(hub: Hub, feed: Arc<Feed>) -> App {
    let mut app = App::new();
    app.add_singleton(hub);
    app.add_singleton(feed);
    page::map(&mut app);
    app.map_get("/events", events);
    app.map_get("/rate", async |feed: Dc<Arc<Feed>>| Json(feed.rate()));
    app.map_put("/rate", set_rate);
    app
}

#[derive(Deserialize)]
struct Reader {
    /// The time in milliseconds in which this reader wants at most one update of each symbol.
    #[serde(default)]
    pace: u64,
}

async fn events(reader: Query<Reader>, Resume(last): Resume, hub: Dc<Hub>) -> HttpResult {
    let pace = Duration::from_millis(reader.pace.min(MAX_PACE));
    let prices = hub.subscribe(TOPIC).resume(last).pace(pace).open()?;
    sse!(Sse::new(prices).retry(Duration::from_secs(1)))
}

async fn set_rate(feed: Dc<Arc<Feed>>, Json(new): Json<NewRate>) -> Result<Json<Rate>, Error> {
    if new.per_second > MAX_RATE {
        let detail = format!("at most {MAX_RATE} updates a second, not {}", new.per_second);
        return Err(Problem::new(422).with_title("too fast").with_detail(detail).into());
    }
    Ok(Json(feed.set_rate(new.per_second)))
}

//! Query parameters: a struct that is read from the query.

use serde::Deserialize;
use volga::{App, Query, ok};

pub(crate) fn map(app: &mut App) {
    app.map_get("/search", async |query: Query<Search>| {
        let page = query.page.unwrap_or(1);
        ok!("{}, page {page}, tags: {}", query.text, query.tag.join(", "))
    });
}

#[derive(Deserialize)]
struct Search {
    /// Must be there.
    text: String,
    /// May be absent.
    page: Option<u32>,
    /// Any number of times.
    #[serde(default)]
    tag: Vec<String>,
}

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
    /// A required parameter.
    text: String,
    /// An optional parameter.
    page: Option<u32>,
    /// A parameter that may occur any number of times.
    #[serde(default)]
    tag: Vec<String>,
}

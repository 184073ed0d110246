//! Route parameters: patterns, constraints, the rest of a path, and types of your own.

use serde::Deserialize;
use volga::{App, Path, http::FromPathArg, ok};

pub(crate) fn map(app: &mut App) {
    // The order of the routes does not matter: a fixed segment wins over a constraint, and a
    // constraint wins over any text.
    app.map_get("/users/{name}", async |name: String| ok!("user {name}"));
    app.map_get("/users/{id:uint}", async |id: u64| ok!("user number {id}"));
    app.map_get("/users/me", async || ok!("you"));

    app.map_get("/files/{*path}", async |path: String| ok!("file {path}"));

    app.map_get("/items/{sku}", async |Sku(number): Sku| ok!("item {number}"));

    app.map_get("/orders/{year}/{number}", async |Path(order): Path<Order>| {
        ok!("order {} of {}", order.number, order.year)
    });
}

/// All arguments of a route, by their names.
#[derive(Deserialize)]
struct Order {
    year: u16,
    number: u32,
}

/// One argument, such as `sku-7`.
struct Sku(u32);

impl FromPathArg for Sku {
    type Error = &'static str;

    fn from_path_arg(text: &str) -> Result<Self, Self::Error> {
        let digits = text.strip_prefix("sku-").ok_or("it starts with `sku-`")?;
        digits.parse().map(Sku).map_err(|_| "a number follows `sku-`")
    }
}

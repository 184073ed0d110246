//! Route groups: a prefix with an argument, a group inside a group, and a filter for the whole
//! group.

use volga::{App, Group, error::Error, http::StatusCode, ok};

pub(crate) fn map(app: &mut App) {
    app.group("/shops/{shop}", |shop| {
        shop.filter(|name: String| {
            if name == "closed" {
                Err(Error::new(StatusCode::GONE, "the shop is closed"))
            } else {
                Ok(())
            }
        });
        shop.map_get("/", async |shop: String| ok!("shop {shop}"));
        shop.group("/orders", orders);
    });
}

/// A function can map a group in a file of its own. The arguments of the prefix come first.
fn orders(orders: &mut Group) {
    orders.map_get("/", async |shop: String| ok!("orders of {shop}"));
    orders.map_get("/{number}", async |shop: String, number: u32| ok!("order {number} of {shop}"));
}

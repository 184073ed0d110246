//! The items of an event stream are messages: nothing in a text says which field it is.

use volga::{HttpResult, sse};

fn texts() -> HttpResult {
    sse!(futures_util::stream::iter(["one", "two"]))
}

fn main() {
    let _ = texts();
}

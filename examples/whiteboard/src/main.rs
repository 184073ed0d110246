//! A whiteboard on which several browsers draw together.
//!
//! ```sh
//! cargo run -p whiteboard
//! cargo run -p whiteboard -- localhost:8080
//! ```
//!
//! Open <http://localhost:7878> in two browsers and draw. Each line is a message of a hub, which
//! sends it to all pages over their WebSockets. A page that is reloaded is a new client, and gets
//! the lines that the hub still holds. A page that has lost its connection returns with the ID of
//! its last message, and gets only what it missed. The lines are in memory, so a restart of the
//! server begins with an empty board, and the pages that return are told by a gap.
//!
//! Pages of other origins cannot open the WebSocket: the check of origins is on by default.
//!
//! `change.rs` checks what pages send, `page.rs` has the page.

mod change;
mod page;
#[cfg(test)]
mod tests;

use change::Change;
use volga::{
    App,
    di::Dc,
    error::Error,
    http::{
        sse::{Hub, Resume},
        ws::{WebSocket, WebSocketSettings, forward},
    },
};

/// The topic of the hub with all lines.
const TOPIC: &str = "board";

/// How many lines the board has at most. Older ones are missing for new pages.
const HELD: usize = 5_000;

/// The largest message of a page, in bytes. A line has at most [`change::MAX_POINTS`] points.
const MAX_MESSAGE: usize = 4 * 1024;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    app().with_env().with_addresses(std::env::args().skip(1)).run().await
}

/// Builds the app. It is separate from `main`, so that the tests use the same app.
fn app() -> App {
    let mut app = App::new();
    app.add_singleton(Hub::builder().max_messages(HELD).build());
    page::map(&mut app);
    let settings = WebSocketSettings::new().max_message_bytes(MAX_MESSAGE);
    app.map_ws_with("/board", settings, board);
    app
}

// [guide]
/// Sends the lines of all pages to this page, and publishes those that it draws.
async fn board(socket: WebSocket, Resume(last): Resume, hub: Dc<Hub>) -> Result<(), Error> {
    let mut drawing = hub.subscribe(TOPIC).resume(last).history(HELD).open()?;
    let (mut sink, mut stream) = socket.split();
    let changes = async {
        while let Some(change) = stream.recv_json::<Change>().await {
            hub.publish(TOPIC, change?.into_message()?)?;
        }
        Ok(())
    };
    tokio::select! {
        _ = forward(&mut sink, &mut drawing) => Ok(()),
        end = changes => end,
    }
}
// [guide]

//! A chat-completions endpoint like those of language models. Its replies outlive their
//! connections.
//!
//! ```sh
//! cargo run -p tokens
//! cargo run -p tokens -- 100    # tokens per second
//! curl -N localhost:7878/v1/chat/completions --json \
//!     '{"model":"volga-1","stream":true,"messages":[{"role":"user","content":"Where do rivers end?"}]}'
//! ```
//!
//! Open <http://localhost:7878>, ask something, and reload the page while the reply is running.
//!
//! `routes.rs` has the routes, and `chat.rs` the requests and responses. `generate.rs` is a made-up
//! model. `error.rs` has errors in the form that clients of such endpoints expect.

use std::{num::NonZeroU32, time::Duration};

use tokens::Settings;

/// How long replies that run without a client may go on when the server ends.
const DRAIN_TIME: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut settings = Settings::default();
    if let Some(tokens_per_second) = std::env::args().nth(1) {
        let number: NonZeroU32 = tokens_per_second.parse().map_err(std::io::Error::other)?;
        settings.pace = Duration::from_secs(1) / number.get();
    }
    let (app, answers) = tokens::app(settings);
    let ended = app.run().await;

    // Replies with a client have finished or were cut by now. Replies without a client get some
    // more time.
    answers.close();
    let _ = tokio::time::timeout(DRAIN_TIME, answers.wait_idle()).await;
    ended
}

//! A chat-completions endpoint as language models have it, over replies that outlive their
//! connections.
//!
//! ```sh
//! cargo run -p tokens
//! cargo run -p tokens -- 100    # tokens a second
//! PORT=8080 cargo run -p tokens
//! curl -N localhost:7878/v1/chat/completions --json \
//!     '{"model":"volga-1","stream":true,"messages":[{"role":"user","content":"Where do rivers end?"}]}'
//! ```
//!
//! Open <http://localhost:7878>, ask something, and reload the page while the reply runs.
//!
//! `routes.rs` says what is at which path and `chat.rs` what the endpoint reads and writes;
//! `generate.rs` stands in for the model, and `error.rs` has errors in the form that clients of
//! such endpoints expect.

use std::{num::NonZeroU32, time::Duration};

use tokens::Settings;

/// How long replies that run without a client may go on when the server ends.
const LAST_WORDS: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut settings = Settings::default();
    if let Some(tokens_per_second) = std::env::args().nth(1) {
        let number: NonZeroU32 = tokens_per_second.parse().map_err(std::io::Error::other)?;
        settings.pace = Duration::from_secs(1) / number.get();
    }
    let (app, replies) = tokens::app(settings);
    let app = app.with_env().with_addresses(std::env::args().skip(2));
    let ended = app.run().await;

    // Replies that are read have finished by now, or were cut. Those that run on have a moment.
    replies.close();
    let _ = tokio::time::timeout(LAST_WORDS, replies.wait_idle()).await;
    ended
}

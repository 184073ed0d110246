//! The app of the example, apart from `main`, so that tests have the same one.

mod chat;
mod error;
mod generate;
mod routes;
#[cfg(test)]
mod tests;

use std::time::Duration;

use volga::{
    App,
    http::sse::{AbandonPolicy, Replies, ReplyEnd},
};

pub use generate::reply;

/// How the endpoint behaves.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The time that the made-up model takes for a token.
    pub pace: Duration,
    /// How long a reply runs when its last client has left.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { pace: Duration::from_millis(40), grace: Duration::from_secs(10) }
    }
}

/// The app, and its replies.
pub fn app(settings: Settings) -> (App, Replies) {
    let replies = Replies::builder()
        .abandon_policy(AbandonPolicy::CancelAfter(settings.grace))
        .on_end(log)
        .build();
    let mut app = App::new();
    app.add_singleton(replies.clone());
    app.add_singleton(settings);
    routes::map(&mut app);
    (app, replies)
}

/// Says what came to no proper end: its clients see no more than a cut stream.
fn log(end: ReplyEnd<'_>) {
    if let Err(error) = end.outcome() {
        eprintln!("a reply ended after {} messages: {error}", end.messages());
    }
}

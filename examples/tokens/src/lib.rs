//! The app of the example. It is separate from `main`, so that tests use the same app.

mod chat;
mod error;
mod generate;
mod routes;
#[cfg(test)]
mod tests;

use std::time::Duration;

use volga::{
    App,
    http::sse::{Abandoned, AnswerEnd, Answers},
};

pub use generate::reply;

/// The settings of the endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The time that the made-up model takes for a token.
    pub pace: Duration,
    /// How long a reply goes on after its last client has left.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { pace: Duration::from_millis(40), grace: Duration::from_secs(10) }
    }
}

/// The app, and its answers.
pub fn app(settings: Settings) -> (App, Answers) {
    let answers = Answers::builder()
        .when_abandoned(Abandoned::CancelAfter(settings.grace))
        .on_end(log)
        .build();
    let mut app = App::new();
    app.add_singleton(answers.clone());
    app.add_singleton(settings);
    routes::map(&mut app);
    (app, answers)
}

/// Logs the replies that failed, because their clients only see a cut stream.
fn log(end: AnswerEnd<'_>) {
    if let Err(error) = end.outcome() {
        eprintln!("a reply ended after {} messages: {error}", end.messages());
    }
}

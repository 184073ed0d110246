//! An axum program with event streams of `volga-sse`: a hub whose readers resume, and streams of
//! their own.
//!
//! ```sh
//! cargo run -p axum-sse
//! curl -N localhost:3000/news
//! curl localhost:3000/news --data-raw 'Hello, world!'
//! curl -N localhost:3000/events
//! curl -N localhost:3000/events/beat/clock-
//! ```

mod ticks;

// [guide]
use axum::{Router, extract::State, routing::get};
use tokio::{net::TcpListener, signal::ctrl_c};
use volga_sse::{
    CloseGroup, Message, Sse,
    axum::Resume,
    hub::{Hub, PublishError, SubscribeError, Subscription},
};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("axum-sse listens on http://{}/news", listener.local_addr()?);
    let streams = CloseGroup::new();
    axum::serve(listener, app(streams.clone()))
        .with_graceful_shutdown(async move {
            // If Ctrl-C cannot be caught, it kills the process, which ends the streams as well.
            let _ = ctrl_c().await;
            // axum waits for every response, and an event stream does not end by itself.
            streams.close();
        })
        .await
}

/// The routes. The layer adds every event stream in a response to the group.
fn app(streams: CloseGroup) -> Router {
    Router::new()
        .route("/news", get(news).post(publish))
        .with_state(Hub::new())
        .merge(ticks::routes())
        .layer(streams)
}

type News = Result<Sse<Subscription>, SubscribeError>;

/// A client that returns gets what it missed first.
async fn news(State(hub): State<Hub>, Resume(last): Resume) -> News {
    Ok(Sse::new(hub.subscribe("news").resume(last).open()?))
}

async fn publish(State(hub): State<Hub>, text: String) -> Result<String, PublishError> {
    Ok(hub.publish("news", Message::new().data(text))?.to_string() + "\n")
}
// [guide]

#[cfg(test)]
mod tests;

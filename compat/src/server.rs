//! The server whose streams the clients read, written with Volga.

use std::convert::Infallible;

use futures_util::stream;
use serde::Serialize;
use tokio::{net::TcpListener, task::AbortHandle};
use volga::{App, HttpResult, error::Error, http::StatusCode, ok, sse, status, stream};

use crate::{chat, corpus::Corpus, readers::cut_name};

/// A running server. It stops when this value is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    task: AbortHandle,
}

/// One stream in the response to `/cases`.
#[derive(Serialize)]
struct ListedStream {
    name: String,
    path: String,
    /// The event names for which the client has to listen.
    events: Vec<String>,
}

/// Starts the server on a free port of this machine.
pub(crate) async fn start(corpus: Corpus) -> std::io::Result<Server> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let mut app = App::new().without_greeter();

    // The page on which Chromium's clients run.
    app.map_get("/", || ok!("<!doctype html>"; [("content-type", "text/html")]));

    let cases = corpus.clone();
    app.map_get("/cases", move || ok!(list(&cases)));

    let cases = corpus.clone();
    app.map_get("/case/{number}", move |number: usize| whole(&cases, number));

    app.map_get("/cut/{number}", move |number: usize| {
        let corpus = corpus.clone();
        async move { cut(&corpus, number).await }
    });

    app.map_post("/{heartbeat}/chat/completions", async |heartbeat: String| {
        chat::answer(&heartbeat)
    });

    let task = tokio::spawn(app.run_with_listener(listener)).abort_handle();
    Ok(Server { url, task })
}

fn list(corpus: &Corpus) -> Vec<ListedStream> {
    let mut list = Vec::new();
    for (number, case) in corpus.cases.iter().enumerate() {
        let events = case.event_names();
        if case.is_cut() {
            let (name, path) = (cut_name(&case.name), format!("/cut/{number}"));
            list.push(ListedStream { name, path, events: events.clone() });
        }
        list.push(ListedStream {
            name: case.name.clone(),
            path: format!("/case/{number}"),
            events,
        });
    }
    list
}

fn whole(corpus: &Corpus, number: usize) -> HttpResult {
    match corpus.cases.get(number) {
        Some(case) => sse!(case.sse()),
        None => status!(StatusCode::NOT_FOUND),
    }
}

/// Sends the same bytes, each in a chunk of its own.
async fn cut(corpus: &Corpus, number: usize) -> HttpResult {
    let Some(case) = corpus.cases.get(number) else {
        return status!(StatusCode::NOT_FOUND);
    };
    let bytes = case.bytes().await.map_err(Error::server_error)?;
    let pieces: Vec<_> =
        (0..bytes.len()).map(|at| Ok::<_, Infallible>(bytes.slice(at..=at))).collect();
    stream!(stream::iter(pieces); [("content-type", "text/event-stream"), ("cache-control", "no-cache")])
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

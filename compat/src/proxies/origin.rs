//! The Volga app behind the proxies. The measurement decides when its streams send, fail and end.

use std::{io, sync::Mutex, time::Duration};

use futures_util::stream;
use http::header;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::timeout,
};
use volga::{
    App, HttpResult, ShutdownHandle,
    error::Error,
    http::{
        StatusCode,
        sse::{Heartbeat, Message, Resume, Sse},
    },
    ok, sse, status,
};

use crate::corpus::Corpus;

/// The event that the app's shutdown adds to each open stream.
pub(crate) const FAREWELL: &str = "farewell";

/// A running app. It shuts down when this value is dropped.
pub(crate) struct Origin {
    pub(crate) port: u16,
    opened: mpsc::UnboundedReceiver<OpenStream>,
    shutdown: ShutdownHandle,
}

/// A stream that the app has opened. Dropping it ends the stream.
pub(crate) struct OpenStream {
    /// The ID with which the client returned.
    pub(crate) last_event_id: Option<String>,
    steps: mpsc::UnboundedSender<Step>,
    gone: oneshot::Receiver<()>,
}

enum Step {
    Send(Message),
    Fail,
}

impl Origin {
    pub(crate) async fn start(corpus: &Corpus) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (send, opened) = mpsc::unbounded_channel();
        let mut app = App::new().without_greeter();

        app.map_get("/ready", || ok!("ready"));

        let opener = send.clone();
        app.map_get("/events", move |Resume(last): Resume| {
            open(&opener, last.map(|id| id.as_str().to_owned()))
        });

        // The same stream without the headers that speak to proxies.
        app.map_get("/bare", move |Resume(last): Resume| {
            let mut response = open(&send, last.map(|id| id.as_str().to_owned()))?;
            response.headers_mut().remove(header::CACHE_CONTROL);
            response.headers_mut().remove("x-accel-buffering");
            Ok::<_, Error>(response)
        });

        let corpus = corpus.clone();
        app.map_get("/case/{number}", move |number: usize| match corpus.cases.get(number) {
            Some(case) => sse!(case.sse()),
            None => status!(StatusCode::NOT_FOUND),
        });

        let (app, shutdown) = app.with_shutdown();
        tokio::spawn(app.run_with_listener(listener));
        Ok(Self { port, opened, shutdown })
    }

    /// The next stream that a client has opened, or `None` if that does not happen in this time.
    pub(crate) async fn opened(&mut self, wait: Duration) -> Option<OpenStream> {
        timeout(wait, self.opened.recv()).await.ok().flatten()
    }

    /// Ends the app as SIGTERM does, with a farewell on each stream.
    pub(crate) fn shutdown(&self) {
        self.shutdown.shutdown();
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shutdown.shutdown();
    }
}

impl OpenStream {
    /// Sends a message. If the stream has gone, nothing happens.
    pub(crate) fn send(&self, message: Message) {
        let _ = self.steps.send(Step::Send(message));
    }

    /// Ends the stream with an error. What the server then does is what a proxy has to report.
    pub(crate) fn fail(&self) {
        let _ = self.steps.send(Step::Fail);
    }

    /// Whether the server has dropped the stream within this time.
    pub(crate) async fn is_gone(&mut self, wait: Duration) -> bool {
        timeout(wait, &mut self.gone).await.is_ok()
    }
}

fn open(opener: &mpsc::UnboundedSender<OpenStream>, last_event_id: Option<String>) -> HttpResult {
    let (steps, received) = mpsc::unbounded_channel();
    let (held, gone) = oneshot::channel::<()>();
    let messages = stream::unfold(received, async |mut received| {
        let item = match received.recv().await? {
            Step::Send(message) => Ok(message),
            Step::Fail => Err(Error::server_error("the source failed")),
        };
        Some((item, received))
    });
    let _ = opener.send(OpenStream { last_event_id, steps, gone });
    sse!(
        Sse::new(messages)
            .heartbeat(Heartbeat::off())
            .farewell(Message::new().event(FAREWELL).data("bye"))
            // Keeps the report of the wanted failure out of standard error.
            .on_end(|_| ())
            .hold(Mutex::new(held))
    )
}

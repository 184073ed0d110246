//! An app as a service under hyper-util, which Volga supports: from the first event to the
//! farewell.
//!
//! The guide's page about hyper shows `serve`.

use std::{
    cell::Cell,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use futures_util::stream;
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{io::AsyncWriteExt, net::TcpListener, sync::oneshot, task::spawn_blocking};
use tower_service::Service;
use volga::{
    App,
    http::{
        ClientAddr,
        sse::{Heartbeat, Message, Sse},
    },
    ok, sse,
};

use super::{
    shutdown::farewell,
    support::{data2, get2, http2, read_to_end, read_until, send, soon},
};

// [guide]
async fn serve(app: App, listener: TcpListener, told: impl Future<Output = ()>) -> io::Result<()> {
    let (app, shutdown) = app.with_shutdown();
    let service = app.into_service().map_err(io::Error::other)?;
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new());
    server.http2().timer(TokioTimer::new());
    let connections = GracefulShutdown::new();
    let mut told = std::pin::pin!(told);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut told => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(_) => continue,
            },
        };
        let app = service.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            // Only this server knows the client.
            request.extensions_mut().insert(ClientAddr(peer));
            app.clone().call(request)
        });
        let connection = server.serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection.into_owned());
        tokio::spawn(async move {
            // A client that leaves is an error to hyper.
            let _ = connection.await;
        });
    }
    drop(listener);
    // The farewell to every subscription. hyper then waits for the rest.
    shutdown.shutdown();
    let deadline = Duration::from_secs(10);
    tokio::time::timeout(deadline, connections.shutdown()).await.map_err(io::Error::other)
}
// [guide]

/// The first program of the seed's page, unchanged. Only `run` is not the one of the real `App`.
mod seed {
    mod volga {
        pub(super) use ::volga::{error, http, sse};

        pub(super) struct App(::volga::App);

        impl App {
            pub(super) fn new() -> Self {
                Self(::volga::App::new())
            }

            pub(super) async fn run(self) -> std::io::Result<()> {
                let (listener, told) = super::super::SETUP.take().expect("set on this thread");
                let listener = tokio::net::TcpListener::from_std(listener)?;
                super::super::serve(self.0, listener, async { drop(told.await) }).await
            }
        }

        impl std::ops::Deref for App {
            type Target = ::volga::App;

            fn deref(&self) -> &::volga::App {
                &self.0
            }
        }

        impl std::ops::DerefMut for App {
            fn deref_mut(&mut self) -> &mut ::volga::App {
                &mut self.0
            }
        }
    }

    include!("../seed/first.rs");

    pub(super) fn run() -> std::io::Result<()> {
        main()
    }
}

#[test]
fn the_guide_shows_what_is_tested_here() {
    const PAGE: &str = include_str!("../../../../docs/src/shutdown-and-deploys.md");
    let shown = include_str!("under_hyper.rs").split("// [guide]\n").nth(1).unwrap();
    assert!(PAGE.contains(shown), "{shown}");
}

thread_local! {
    /// The listener and the shutdown signal of the seed's program.
    static SETUP: Cell<Option<(std::net::TcpListener, oneshot::Receiver<()>)>> =
        const { Cell::new(None) };
}

struct Server {
    address: SocketAddr,
    tell: oneshot::Sender<()>,
    end: thread::JoinHandle<io::Result<()>>,
}

impl Server {
    fn of_the_seed() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = oneshot::channel();
        // Its `main` creates its own runtime.
        let end = thread::spawn(move || {
            SETUP.set(Some((listener, told)));
            seed::run()
        });
        Self { address, tell, end }
    }

    async fn ended(end: thread::JoinHandle<io::Result<()>>) {
        let join = spawn_blocking(|| end.join().expect("no panic"));
        soon("the end of the program", join).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_seeds_program_streams_on_both_protocols_and_ends_with_a_farewell() {
    let Server { address, tell, end } = Server::of_the_seed();
    let mut idle = send(address, "GET /missing").await;
    read_until(&mut idle, "\"status\":404").await;

    // Keep-alive: a complete response, and then a stream on the same connection.
    let mut one = send(address, "GET /missing").await;
    read_until(&mut one, "\"status\":404").await;
    one.write_all(b"GET /events HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let read = read_until(&mut one, "data: Hello, world!\n\n").await;
    assert!(read.contains("HTTP/1.1 200 OK\r\n"), "{read}");
    assert!(read.contains("content-type: text/event-stream\r\n"), "{read}");
    assert!(read.contains("retry: 3000\n"), "{read}");

    let client = http2(address).await;
    assert_eq!(get2(&client, "/missing").await.status(), 404);
    let mut two = get2(&client, "/events").await.into_body();
    let mut read = String::new();
    while !read.contains("data: Hello, world!\n\n") {
        read += &data2(&mut two).await.expect("an event").unwrap();
    }

    tell.send(()).unwrap();
    let rest = read_to_end(&mut one).await;
    assert!(rest.ends_with("\r\n0\r\n\r\n"), "a proper end: {rest:?}");
    farewell(&rest);
    let mut rest = String::new();
    while let Some(data) = data2(&mut two).await {
        rest += &data.expect("a proper end");
    }
    farewell(&rest);
    assert_eq!(read_to_end(&mut idle).await, "", "closed, since it waits for nothing");
    Server::ended(end).await;
    soon("the refusal", tokio::net::TcpStream::connect(address)).await.unwrap_err();
}

#[tokio::test]
async fn the_drain_waits_for_a_finite_stream_and_closes_endless_ones() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (finish, finished) = oneshot::channel::<()>();
    let finished = Arc::new(Mutex::new(Some(finished)));
    let mut app = App::new();
    app.map_get("/answer", move || {
        let finished = finished.lock().unwrap().take().unwrap();
        let answer = stream::once(async move {
            finished.await.unwrap();
            Message::new().data("done")
        });
        sse!(Sse::new(answer).finite())
    });
    app.map_get("/quiet", || {
        let heartbeat = Heartbeat::every(Duration::from_millis(10));
        sse!(Sse::new(stream::pending::<Message>()).heartbeat(heartbeat))
    });
    let (tell, told) = oneshot::channel::<()>();
    let end = tokio::spawn(serve(app, listener, async { drop(told.await) }));

    let mut answer = send(address, "GET /answer").await;
    read_until(&mut answer, "retry: 3000\n").await;
    let mut quiet = send(address, "GET /quiet").await;
    read_until(&mut quiet, "retry: 3000\n").await;
    read_until(&mut quiet, "\r\n:\n").await;

    tell.send(()).unwrap();
    farewell(&read_to_end(&mut quiet).await);
    assert!(!end.is_finished(), "the answer still runs");
    finish.send(()).unwrap();
    let rest = read_to_end(&mut answer).await;
    assert!(rest.contains("data: done\n\n") && rest.ends_with("\r\n0\r\n\r\n"), "{rest:?}");
    soon("the end", end).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_handler_under_hyper_knows_its_client() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut app = App::new();
    app.map_get("/who", |client: ClientAddr| ok!("client {}", client.ip()));
    let (tell, told) = oneshot::channel::<()>();
    let end = tokio::spawn(serve(app, listener, async { drop(told.await) }));
    assert!(super::support::ask(address, "GET /who").await.ends_with("client 127.0.0.1"));
    drop(tell);
    soon("the end", end).await.unwrap().unwrap();
}

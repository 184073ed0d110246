//! The shutdown of a server with open streams.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use futures_util::stream;
use volga::{
    App, CancellationToken, detached,
    error::ShutdownError,
    http::sse::{Message, Sse},
    ok, sse,
};

use super::support::{PATIENCE, ask, data2, get2, http2, read_to_end, read_until, run, send, soon};

const STREAMS: usize = 100;
/// Set in the process that runs the server.
const CHILD: &str = "VOLGA_TEST_SHUTDOWN_CHILD";

/// The server process that the next test starts. It is not a test itself, and has no code for its
/// shutdown.
#[test]
fn child_server() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    // Longer than the test takes: a server that ends later did not react to the second signal.
    let mut app = App::new().bind("127.0.0.1:0").with_shutdown_timeout(10 * PATIENCE);
    app.map_get("/events", || sse!(stream::pending::<Message>()));
    app.map_get("/answer", || sse!(Sse::new(stream::pending::<Message>()).finite()));
    if let Err(error) = app.run_blocking() {
        let code = ShutdownError::of(&error).expect("it started").exit_code();
        std::process::exit(code.into());
    }
}

/// Starts the server as a process, and waits until it listens.
#[cfg(unix)]
async fn spawn_child() -> (std::process::Child, SocketAddr) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "shutdown::child_server", "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = tokio::task::spawn_blocking(move || {
        let mut lines = lines.map(Result::unwrap);
        let line = lines.find(|line| line.contains("http://")).expect("the greeting");
        // The pipe stays open, so that the server can still write.
        std::thread::spawn(move || lines.for_each(drop));
        line
    });
    let url = soon("the greeting", url).await.unwrap();
    let address: SocketAddr = url.trim().strip_prefix("http://").unwrap().parse().unwrap();
    (child, address)
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_says_farewell_to_every_stream_and_exits_with_zero() {
    let (mut child, address) = spawn_child().await;
    let mut ones = Vec::new();
    for _ in 0..STREAMS {
        let mut client = send(address, "GET /events").await;
        read_until(&mut client, "retry: 3000\n").await;
        ones.push(client);
    }
    let client = http2(address).await;
    let mut twos = Vec::new();
    for _ in 0..STREAMS {
        let mut body = get2(&client, "/events").await.into_body();
        assert_eq!(data2(&mut body).await.unwrap().unwrap(), "retry: 3000\n");
        twos.push(body);
    }

    terminate(&child);

    let mut times = Vec::new();
    for mut client in ones {
        let text = read_to_end(&mut client).await;
        assert!(text.ends_with("\r\n0\r\n\r\n"), "a proper end of the body: {text:?}");
        times.push(farewell(&text));
    }
    for mut body in twos {
        let mut text = String::new();
        while let Some(data) = data2(&mut body).await {
            text.push_str(&data.expect("a proper end of the body"));
        }
        times.push(farewell(&text));
    }
    times.sort_unstable();
    times.dedup();
    assert!(times.len() > STREAMS / 2, "clients are told different times: {times:?}");

    let status = soon("the exit", tokio::task::spawn_blocking(move || child.wait())).await;
    assert_eq!(status.unwrap().unwrap().code(), Some(0));
}

/// The reconnection time of a farewell, in milliseconds.
pub(super) fn farewell(text: &str) -> u32 {
    let (_, time) = text.split_once("retry: ").expect("a farewell");
    time.lines().next().unwrap().parse().expect("digits")
}

#[tokio::test]
async fn a_finite_stream_finishes_and_a_subscription_does_not_wait_for_it() {
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    let finished = std::sync::Arc::new(std::sync::Mutex::new(Some(finished)));
    let server = run(|app| {
        app.map_get("/answer", move || {
            let finished = finished.lock().unwrap().take().unwrap();
            let answer = stream::once(async move {
                finished.await.unwrap();
                Message::new().data("done")
            });
            sse!(Sse::new(answer).finite())
        })
        .map_get("/subscription", || sse!(stream::pending::<Message>()));
    })
    .await;
    let mut answer = send(server.address, "GET /answer").await;
    read_until(&mut answer, "retry").await;
    let mut subscription = send(server.address, "GET /subscription").await;
    read_until(&mut subscription, "retry").await;

    server.shutdown.shutdown();
    read_until(&mut subscription, "\r\n0\r\n\r\n").await;
    finish.send(()).unwrap();
    read_until(&mut answer, "data: done\n\n\r\n0\r\n\r\n").await;
    soon("the end", server.end).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_response_that_outlives_the_deadline_is_aborted_and_reported() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (app, shutdown) = App::new()
        .without_greeter()
        .with_shutdown_timeout(Duration::from_millis(50))
        .with_shutdown();
    let mut app = app;
    app.map_get("/answer", || sse!(Sse::new(stream::pending::<Message>()).finite()));
    let end = tokio::spawn(app.run_with_listener(listener));
    let mut client = send(address, "GET /answer").await;
    read_until(&mut client, "retry").await;
    shutdown.shutdown();
    let error = soon("the end", end).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(error.to_string().starts_with("1 connection was still busy"), "{error}");
    assert_eq!(ShutdownError::of(&error).unwrap().exit_code(), 2);
}

#[tokio::test]
async fn a_stream_that_starts_during_the_shutdown_is_closed_at_once() {
    let (app, shutdown) = App::new().with_shutdown();
    let mut app = app;
    app.map_get("/events", || sse!(stream::pending::<Message>())).map_get("/", || ok!());
    let service = app.into_service().unwrap();
    shutdown.shutdown();
    let request = http::Request::get("/events").body(volga::HttpBody::empty()).unwrap();
    let response = service.respond(request).await;
    let body = soon("the end", http_body_util::BodyExt::collect(response.into_body())).await;
    assert!(String::from_utf8_lossy(&body.unwrap().to_bytes()).contains("retry: "));
}

#[tokio::test]
async fn before_the_shutdown_the_app_serves_and_only_its_readiness_changes() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (left, leave) = tokio::sync::oneshot::channel::<()>();
    let (app, shutdown) = App::new()
        .without_greeter()
        .before_shutdown(|| async { drop(leave.await) })
        .with_shutdown();
    let mut app = app;
    app.map_get("/events", || sse!(stream::pending::<Message>())).map_get("/", || ok!("served"));
    app.map_readiness("/ready");
    let end = tokio::spawn(app.run_with_listener(listener));
    let mut stream = send(address, "GET /events").await;
    read_until(&mut stream, "retry: 3000").await;
    let text = ask(address, "GET /ready").await;
    assert!(
        text.starts_with("HTTP/1.1 200 ") && text.contains("cache-control: no-store"),
        "{text}"
    );

    shutdown.shutdown();
    assert!(shutdown.is_shutdown_requested());
    let text = ask(address, "GET /ready").await;
    assert!(
        text.starts_with("HTTP/1.1 503 ") && text.contains("cache-control: no-store"),
        "{text}"
    );
    assert!(ask(address, "GET /").await.ends_with("served"));
    let mut late = send(address, "GET /events").await;
    read_until(&mut late, "retry: 3000\n").await;

    drop(left);
    for mut client in [stream, late] {
        farewell(&read_until(&mut client, "\r\n0\r\n\r\n").await);
    }
    soon("the end", end).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_hook_that_takes_too_long_is_stopped() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (app, shutdown) = App::new()
        .without_greeter()
        .before_shutdown(std::future::pending)
        .with_before_shutdown_timeout(Duration::from_millis(10))
        .with_shutdown();
    let end = tokio::spawn(app.run_with_listener(listener));
    shutdown.shutdown();
    soon("the end", end).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_shutdown_waits_for_a_detached_handler_without_a_client() {
    let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
    let (finish, finished) = tokio::sync::watch::channel(false);
    let server = run(|app| {
        let pay = move |token: CancellationToken| {
            let (started, mut finished) = (started.clone(), finished.clone());
            async move {
                started.send("asked").unwrap();
                token.cancelled().await;
                started.send("left").unwrap();
                finished.wait_for(|finished| *finished).await.unwrap();
                started.send("paid").unwrap();
            }
        };
        app.map_post("/pay", detached(pay));
    })
    .await;
    let client = send(server.address, "POST /pay").await;
    assert_eq!(soon("the handler", starts.recv()).await, Some("asked"));
    drop(client);
    assert_eq!(soon("the leaving", starts.recv()).await, Some("left"));
    server.shutdown.shutdown();
    finish.send(true).unwrap();
    soon("the end", server.end).await.unwrap().unwrap();
    assert_eq!(starts.try_recv(), Ok("paid"));
}

/// Sends a signal, as an operator or an orchestrator does.
#[cfg(unix)]
fn terminate(child: &std::process::Child) {
    signal(child, "-TERM");
}

#[cfg(unix)]
fn signal(child: &std::process::Child, name: &str) {
    let killed = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_ends_the_app_as_sigterm_does() {
    let (mut child, address) = spawn_child().await;
    let mut client = send(address, "GET /events").await;
    read_until(&mut client, "retry: 3000\n").await;
    signal(&child, "-INT");
    let text = read_to_end(&mut client).await;
    assert!(farewell(&text) > 0 && text.ends_with("\r\n0\r\n\r\n"), "{text:?}");
    let status = soon("the exit", tokio::task::spawn_blocking(move || child.wait())).await;
    assert_eq!(status.unwrap().unwrap().code(), Some(0));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once_and_the_exit_code_says_so() {
    let (mut child, address) = spawn_child().await;
    let mut answer = send(address, "GET /answer").await;
    read_until(&mut answer, "retry: 3000\n").await;
    let mut subscription = send(address, "GET /events").await;
    read_until(&mut subscription, "retry: 3000\n").await;
    terminate(&child);
    farewell(&read_to_end(&mut subscription).await);
    // Without the signal the response could run until the deadline.
    terminate(&child);
    let text = read_to_end(&mut answer).await;
    assert!(!text.ends_with("0\r\n\r\n"), "{text:?}");
    let status = soon("the exit", tokio::task::spawn_blocking(move || child.wait())).await;
    assert_eq!(status.unwrap().unwrap().code(), Some(3));
}

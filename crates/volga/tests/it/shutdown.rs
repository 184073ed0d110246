//! The end of a server with streams open.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use futures_util::stream;
use volga::{
    App,
    http::sse::{Message, Sse},
    ok, sse,
};

use super::support::{data2, get2, http2, read_to_end, read_until, run, send, soon};

const STREAMS: usize = 100;
/// Tells the test below that it is the server.
const CHILD: &str = "VOLGA_TEST_SHUTDOWN_CHILD";

/// Not a test by itself: the process that the next test starts. It has no code for its end.
#[test]
fn child_server() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let mut app = App::new().bind("127.0.0.1:0");
    app.map_get("/events", || sse!(stream::pending::<Message>()));
    app.run_blocking().unwrap();
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_says_farewell_to_every_stream_and_exits_with_zero() {
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
        // The pipe stays open, so that the server can go on writing.
        std::thread::spawn(move || lines.for_each(drop));
        line
    });
    let url = soon("the greeting", url).await.unwrap();
    let address: SocketAddr = url.trim().strip_prefix("http://").unwrap().parse().unwrap();

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

    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());

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
fn farewell(text: &str) -> u32 {
    let (_, time) = text.split_once("retry: ").expect("a farewell");
    time.lines().next().unwrap().parse().expect("digits")
}

#[tokio::test]
async fn an_answer_finishes_and_a_subscription_does_not_wait_for_it() {
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    let finished = std::sync::Arc::new(std::sync::Mutex::new(Some(finished)));
    let server = run(|app| {
        app.map_get("/answer", move || {
            let finished = finished.lock().unwrap().take().unwrap();
            let answer = stream::once(async move {
                finished.await.unwrap();
                Message::new().data("done")
            });
            sse!(Sse::new(answer).answer())
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
async fn what_outlives_the_deadline_is_cut_and_said() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (app, shutdown) = App::new()
        .without_greeter()
        .with_shutdown_timeout(Duration::from_millis(50))
        .with_shutdown();
    let mut app = app;
    app.map_get("/answer", || sse!(Sse::new(stream::pending::<Message>()).answer()));
    let end = tokio::spawn(app.run_with_listener(listener));
    let mut client = send(address, "GET /answer").await;
    read_until(&mut client, "retry").await;
    shutdown.shutdown();
    let error = soon("the end", end).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(error.to_string().starts_with("1 connections were still busy"), "{error}");
}

#[tokio::test]
async fn a_stream_that_is_asked_for_during_the_end_is_closed_at_once() {
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

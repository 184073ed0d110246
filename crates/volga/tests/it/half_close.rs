//! An HTTP/1 client that closes its sending side and still reads, such as `nc -N`.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::sync::Semaphore;
use volga::{
    App,
    http::{
        Bytes,
        sse::{EndReason, Hub, Message, Sse},
    },
    ok, sse,
};

use super::support::{PATIENCE, run_app, soon};

/// When the client closes its sending side.
#[derive(Clone, Copy, Debug)]
enum Moment {
    WithRequest,
    AfterRequest,
}

fn request(path: &str) -> String {
    match path {
        "/echo" => format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello"),
        _ => format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"),
    }
}

/// Sends a request, closes the sending side, and reads to the end.
async fn one_shot(address: SocketAddr, path: &'static str, moment: Moment) -> String {
    let client = tokio::task::spawn_blocking(move || {
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(request(path).as_bytes()).unwrap();
        if let Moment::AfterRequest = moment {
            std::thread::sleep(Duration::from_millis(20));
        }
        client.shutdown(Shutdown::Write).unwrap();
        let mut received = String::new();
        client.read_to_string(&mut received).unwrap();
        received
    });
    client.await.unwrap()
}

type Ends = Arc<Mutex<Vec<EndReason>>>;

/// An app with all kinds of responses. What is not ready waits for the gate.
fn app(is_allowed: bool) -> (App, Arc<Semaphore>, Ends) {
    let (gate, ends) = (Arc::new(Semaphore::new(0)), Ends::default());
    let hub = Hub::builder().build();
    hub.publish("news", Message::new().data("ready")).unwrap();
    let mut app = App::new().with_http1_half_close(is_allowed);
    app.map_get("/full", || ok!("hello"));
    app.map_post("/echo", async |body: Bytes| body);
    let open = Arc::clone(&gate);
    app.map_get("/late", async move || {
        open.acquire().await.unwrap().forget();
        ok!("late")
    });
    let told = Arc::clone(&ends);
    app.map_get("/subscription", move || {
        let told = Arc::clone(&told);
        let stream = hub.subscribe("news").open().unwrap();
        sse!(Sse::new(stream).on_end(move |end| told.lock().unwrap().push(end.reason())))
    });
    let open = Arc::clone(&gate);
    app.map_get("/finite", move || {
        let open = Arc::clone(&open);
        let first = stream::iter([Message::new().data("ready")]);
        let last = stream::once(async move {
            open.acquire().await.unwrap().forget();
            Message::new().data("last")
        });
        sse!(Sse::new(first.chain(last)).finite())
    });
    (app, gate, ends)
}

#[tokio::test]
async fn each_response_ends_as_the_setting_says() {
    for is_allowed in [false, true] {
        let (app, gate, ends) = app(is_allowed);
        let server = run_app(app).await;
        for moment in [Moment::WithRequest, Moment::AfterRequest] {
            for path in ["/full", "/echo", "/late", "/subscription", "/finite"] {
                let what = format!("{path}, {moment:?}, allowed: {is_allowed}");
                let asked = tokio::spawn(one_shot(server.address, path, moment));
                if is_allowed && matches!(path, "/late" | "/finite") {
                    tokio::time::sleep(Duration::from_millis(60)).await;
                    gate.add_permits(1);
                }
                let text = soon(&what, asked).await.unwrap();
                let is_whole = text.ends_with("0\r\n\r\n");
                match path {
                    "/full" | "/echo" => assert!(text.ends_with("hello"), "{what}: {text}"),
                    "/late" if is_allowed => assert!(text.ends_with("late"), "{what}: {text}"),
                    "/late" => assert_eq!(text, "", "{what}"),
                    "/subscription" => {
                        assert!(text.contains("retry: 3000"), "{what}: {text}");
                        // The opening, and the farewell if the stream has a proper end.
                        let retries = text.matches("retry: ").count();
                        let expect = if is_allowed { (2, true) } else { (1, false) };
                        assert_eq!((retries, is_whole), expect, "{what}: {text}");
                        let reason =
                            if is_allowed { EndReason::Closed } else { EndReason::ClientLeft };
                        assert_eq!(std::mem::take(&mut *ends.lock().unwrap()), [reason], "{what}");
                    }
                    _ => {
                        assert!(text.contains("data: ready\n\n"), "{what}: {text}");
                        let is_last = text.contains("data: last\n\n");
                        assert_eq!((is_last, is_whole), (is_allowed, is_allowed), "{what}: {text}");
                    }
                }
            }
        }
    }
}

/// A program that sends a request and closes its sending side, if it is installed.
fn programs(address: SocketAddr) -> Vec<Command> {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut netcat = Command::new("nc");
    netcat.args(["-N", &host, &port]);
    let mut python = Command::new("python3");
    let script = "import socket, sys\n\
        s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n\
        s.sendall(sys.stdin.buffer.read())\n\
        s.shutdown(socket.SHUT_WR)\n\
        while True:\n\
        \x20   data = s.recv(65536)\n\
        \x20   if not data: break\n\
        \x20   sys.stdout.buffer.write(data)\n";
    python.args(["-c", script, &host, &port]);
    vec![netcat, python]
}

#[tokio::test(flavor = "multi_thread")]
async fn one_shot_programs_get_whole_responses() {
    let (app, gate, _) = app(true);
    let server = run_app(app).await;
    gate.add_permits(100);
    for mut program in programs(server.address) {
        for path in ["/full", "/echo", "/late", "/subscription", "/finite"] {
            let what = format!("{program:?} {path}");
            let Ok(mut child) =
                program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
            else {
                // The program is not installed.
                break;
            };
            let request = request(path);
            let output = tokio::task::spawn_blocking(move || {
                child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
                child.wait_with_output().unwrap()
            });
            let output = soon(&what, output).await.unwrap();
            if String::from_utf8_lossy(&output.stderr).contains("-- 'N'") {
                // A netcat without this option.
                break;
            }
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let end = match path {
                "/full" | "/echo" => "hello",
                "/late" => "late",
                _ => "\r\n0\r\n\r\n",
            };
            assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with(end), "{what}: {text}");
        }
    }
}

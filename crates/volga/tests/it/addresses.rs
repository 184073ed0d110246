//! Where an app listens: several addresses, and what it says of them.

use std::{io::ErrorKind, net::SocketAddr, path::PathBuf};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, UnixStream},
};
use volga::{App, BindError, BoundAddress, http::ClientAddr, ok, test::TestClient};

use super::support::{ask, read_to_end_of, soon};

/// The path of a socket that does not exist yet.
fn socket(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("volga-app-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

fn app() -> App {
    let mut app = App::new().without_greeter();
    app.map_get("/", |client: Option<ClientAddr>| match client {
        Some(client) => ok!("tcp {}", client.ip()),
        None => ok!("unix"),
    });
    app
}

async fn ask_unix(path: &PathBuf) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    read_to_end_of(&mut stream).await
}

#[tokio::test]
async fn one_app_serves_all_of_its_addresses_and_tells_the_real_ports() {
    let path = socket("all");
    let (app, shutdown) = app()
        .bind("127.0.0.1:0")
        .bind(format!("unix:{}", path.display()))
        .bind(([127, 0, 0, 1], 0))
        .with_shutdown();
    let while_running = app.bound_addresses();
    assert_eq!(while_running.get(), []);

    let app = app.listen().await.unwrap();
    let addresses = app.addresses();
    assert_eq!(while_running.get(), addresses, "known before the app serves");
    assert_eq!(addresses[1], BoundAddress::Unix(path.clone()));
    assert_eq!(addresses[1].to_string(), format!("unix:{}", path.display()));
    let tcp: Vec<SocketAddr> = addresses.iter().filter_map(BoundAddress::tcp).collect();
    assert!(tcp.len() == 2 && tcp[0].port() != tcp[1].port() && tcp[0].port() != 0, "{tcp:?}");

    // A client that connects now waits until the app serves.
    let early = tokio::spawn(ask(tcp[0], "GET /"));
    let end = tokio::spawn(app.run());
    assert!(soon("the response", early).await.unwrap().ends_with("tcp 127.0.0.1"));
    assert!(ask(tcp[1], "GET /").await.ends_with("tcp 127.0.0.1"));
    assert!(ask_unix(&path).await.ends_with("unix"));
    assert_eq!(soon("the addresses", while_running.listening()).await, Some(addresses));

    shutdown.shutdown();
    soon("the end", end).await.unwrap().unwrap();
    assert!(!path.exists(), "the file is removed at the end");
}

#[tokio::test]
async fn the_addresses_of_an_app_that_never_listens_do_not_come() {
    let faulty = App::new().bind("24010").without_error_line();
    let addresses = faulty.bound_addresses();
    assert!(faulty.run().await.is_err());
    assert_eq!(soon("the answer", addresses.listening()).await, None);

    let in_process = app();
    let addresses = in_process.bound_addresses();
    let client = TestClient::new(in_process);
    assert_eq!(soon("the answer", addresses.listening()).await, None);
    client.get("/").send().await.assert_status(200);
}

#[tokio::test]
async fn a_listener_of_the_caller_is_told_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (app, shutdown) = app().with_shutdown();
    let addresses = app.bound_addresses();
    let end = tokio::spawn(app.run_with_listener(listener));
    let listening = soon("the addresses", addresses.listening()).await.unwrap();
    assert_eq!(listening, [BoundAddress::Tcp(address)]);
    shutdown.shutdown();
    soon("the end", end).await.unwrap().unwrap();
}

/// Each pair is one address twice. The message must not speak of another program.
#[tokio::test]
async fn an_address_that_is_bound_twice_is_named() {
    let path = socket("twice");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let tcp = |host: &str| format!("{host}:{port}");
    let unix = format!("unix:{}", path.display());
    let again = format!(
        "unix:{}/./{}",
        std::env::temp_dir().display(),
        path.file_name().unwrap().display()
    );
    for (first, second) in [
        (tcp("127.0.0.1"), tcp("127.0.0.1")),
        (tcp("127.0.0.1"), tcp("localhost")),
        (tcp("localhost"), tcp("127.0.0.1")),
        (tcp("0.0.0.0"), tcp("127.0.0.1")),
        (tcp("127.0.0.1"), tcp("0.0.0.0")),
        (unix.clone(), unix.clone()),
        (unix.clone(), again),
    ] {
        let error = app().bind(&*first).bind(&*second).without_error_line().listen().await;
        let error = error.expect_err("bound twice");
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{first} {second}: {error}");
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        assert!(matches!(cause, Some(BindError::BoundTwice { .. })), "{first} {second}: {error}");
        assert!(error.to_string().contains("twice"), "{error}");
    }
    assert!(!path.exists(), "what was bound before is closed");
}

#[tokio::test]
async fn another_program_at_an_address_is_not_this_app() {
    let path = socket("other");
    let _other = tokio::net::UnixListener::bind(&path).unwrap();
    let targets = ["127.0.0.1:0".to_owned(), format!("unix:{}", path.display())];
    let error = app().with_addresses(targets).without_error_line().listen().await.unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
    std::fs::remove_file(&path).unwrap();
}

/// Set in the process of the next test's program.
const CHILD: &str = "ADDRESSES_CHILD";

/// The program that the next test starts. It is not a test itself.
#[test]
fn program_with_variables() {
    let Ok(args) = std::env::var(CHILD) else { return };
    let app = app().bind("127.0.0.1:0").with_env().with_addresses(args.split_whitespace());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(app.listen()) {
        Ok(app) => println!("addresses: {:?}", app.addresses()),
        Err(error) => println!("error: {error}"),
    }
}

#[test]
fn the_command_line_goes_before_the_environment_and_that_before_the_program() {
    let run = |variables: &[(&str, &str)], args: &str| {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "addresses::program_with_variables", "--nocapture"])
            .env(CHILD, args)
            .env_remove("PORT")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let path = socket("env");
    let unix = format!("unix:{}", path.display());
    let bind = ("VOLGA_BIND", &*unix);
    let shown = format!("Unix({path:?})");
    for (variables, args, expect) in [
        (&[][..], "", "[Tcp(127.0.0.1:"),
        (&[("PORT", "0")], "", "[Tcp(0.0.0.0:"),
        (&[("PORT", "")], "", "[Tcp(127.0.0.1:"),
        (&[("PORT", "0"), bind], "", &*format!("[{shown}]")),
        (&[bind], "0.0.0.0:0", "[Tcp(0.0.0.0:"),
        (&[("PORT", "80a"), bind], "0.0.0.0:0", "error: the environment variable PORT is \"80a\""),
        (&[("VOLGA_BINDS", "a")], "", "VOLGA_BINDS is unknown: write VOLGA_BIND"),
    ] {
        let out = run(variables, args);
        assert!(out.contains(expect), "{variables:?} {args:?}: {out}");
    }
}

//! The start of an app, and errors that prevent it.

use std::{io::ErrorKind, time::Duration};

use tokio::net::TcpListener;
use volga::App;

use super::support::soon;

#[tokio::test]
async fn a_busy_address_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = soon("the error", App::new().bind(address).run()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn a_bad_address_is_an_error_that_names_it() {
    for bad in ["localhost", "24010", "localhost:port", "no such host:80", "", "127.0.0.1:99999"] {
        let error = soon("the error", App::new().bind(bad).run()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = error.to_string();
        assert!(error.contains(bad) && error.contains("; write"), "{bad:?}: {error}");
    }
}

#[tokio::test]
async fn faulty_routes_are_reported_before_listening() {
    let mut app = App::new().bind("localhost:0");
    app.map_get("/a/{x", || "").map_get("/b", || "").map_get("/b", || "").map_get("/c", |_: u8| "");
    let error = soon("the error", app.run()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let error = error.to_string();
    assert_eq!(
        error.matches("start.rs:").count(),
        4,
        "each fault has its location, the conflict has two: {error}"
    );
}

#[tokio::test]
async fn run_blocking_says_what_to_use_inside_a_runtime() {
    let error = App::new().run_blocking().unwrap_err().to_string();
    assert!(error.contains("run().await"), "{error}");
}

#[test]
fn run_blocking_runs_until_the_shutdown() {
    let (app, shutdown) = App::new().bind("localhost:0").without_greeter().with_shutdown();
    shutdown.shutdown();
    app.run_blocking().unwrap();
}

/// Set in the process that fails, to what it does.
#[cfg(unix)]
const FAILING: &str = "FAILING_APP";

/// The program that the next test starts. It is not a test itself.
#[cfg(unix)]
#[test]
fn failing_program() {
    let Ok(what) = std::env::var(FAILING) else { return };
    let (quiet, target) = what.split_once(' ').unwrap();
    let mut app = App::new().bind(target).with_shutdown_timeout(Duration::ZERO);
    if quiet == "quiet" {
        app = app.without_error_line();
    }
    if target.contains("faulty") {
        app.map_get("/{", || "");
    }
    let ended = if quiet == "async" {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(app.run())
    } else {
        app.run_blocking()
    };
    let error = ended.as_ref().unwrap_err().to_string();
    println!("returned: {error}");
    volga::exit_code(ended);
}

#[cfg(unix)]
#[tokio::test]
async fn a_run_that_fails_writes_one_line_for_people_unless_it_is_switched_off() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let busy = taken.local_addr().unwrap().to_string();
    for target in ["24010", &*busy, "unix:/nope/x.sock", "unix:/", "faulty:80", "no host", "a:b"] {
        for mode in ["blocking", "async", "quiet"] {
            let program = std::env::current_exe().unwrap();
            let output = std::process::Command::new(program)
                .args(["--exact", "start::failing_program", "--nocapture"])
                .env(FAILING, format!("{mode} {target}"))
                .output()
                .unwrap();
            let [out, err] =
                [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
            assert!(output.status.success(), "{target}: {out}{err}");
            let error = out.split_once("returned: ").unwrap().1.lines().next().unwrap();
            let expect = if mode == "quiet" { 0 } else { 1 };
            assert_eq!(err.matches(&format!("Error: {error}")).count(), expect, "{err}");
            assert!(!err.contains("Custom {"), "{err}");
        }
    }
}

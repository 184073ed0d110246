//! The start of an app, and errors that prevent it.

use std::io::ErrorKind;

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
    for bad in ["localhost", "localhost:port", "no such host:80", "", "127.0.0.1:99999"] {
        let error = soon("the error", App::new().bind(bad).run()).await.unwrap_err().to_string();
        assert!(error.contains(bad), "{bad:?}: {error}");
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

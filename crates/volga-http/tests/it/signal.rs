//! SIGTERM ends the wait.

use std::future::poll_fn;
use std::pin::pin;
use std::process::Command;
use std::task::Poll;

use volga_http::shutdown_signal;

use crate::support::within;

#[tokio::test]
async fn sigterm_ends_the_wait() {
    let mut wait = pin!(shutdown_signal());
    // The first poll installs the handler. Before that, the signal would kill the test process.
    poll_fn(|cx| {
        assert!(wait.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    let process = std::process::id().to_string();
    assert!(Command::new("kill").args(["-TERM", &process]).status().expect("kill runs").success());
    within(wait).await.expect("a handler");
}

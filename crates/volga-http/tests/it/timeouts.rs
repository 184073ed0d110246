//! Clients that do not get on with it, over real sockets. The tests of `src/conn.rs` try every cut, and the idle time
//! between requests, with a paused clock.

use std::time::Duration;

use http::Response;
use volga_http::Server;

use crate::support::{PREFACE, Running, TestBody, read_to_close, send};

#[tokio::test]
async fn a_client_stuck_before_the_end_of_its_head_is_closed_unanswered() {
    let server = Server::new().header_read_timeout(Duration::from_millis(20));
    let server = Running::start(server, |_| async { Response::new(TestBody::full("hello")) }).await;
    for sent in [&b""[..], &PREFACE[..7], b"GET / HTTP/1.1\r\nhost:"] {
        let mut client = server.connect().await;
        send(&mut client, sent).await;
        assert_eq!(read_to_close(&mut client).await, b"", "{sent:?}");
    }
}

//! Tests of `volga-http` over HTTP/3: `cargo xtask over-http3` runs them.
//!
//! The tests speak HTTP/1 and HTTP/2, and reach a server for HTTP/3 through a gateway. Those whose
//! subject is HTTP/1 or HTTP/2 itself are skipped: `xtask/src/ci/over_http3.rs` has the list and
//! the reasons.

#[path = "../../../volga-http/tests/it/disconnects.rs"]
mod disconnects;
#[path = "../../../volga-http/tests/it/drain.rs"]
mod drain;
mod gateway;
#[path = "../../../volga-http/tests/it/keep_alive.rs"]
mod keep_alive;
#[path = "../../../volga-http/tests/it/long_lived.rs"]
mod long_lived;
#[path = "../../../volga-http/tests/it/panics.rs"]
mod panics;
#[path = "../../../volga-http/tests/it/requests.rs"]
mod requests;
#[expect(dead_code, reason = "other tests of volga-http use the rest")]
#[path = "../../../volga-http/tests/it/support.rs"]
mod support;
mod transport;

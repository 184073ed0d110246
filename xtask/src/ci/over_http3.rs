//! The step `over-http3`: tests of requests, streams and shutdowns over HTTP/3.
//!
//! The tests speak HTTP/1 and HTTP/2. `crates/volga-h3/tests/over_http3/gateway.rs` passes their
//! requests on over HTTP/3.

use crate::{
    test_programs::TestPrograms,
    tools::{self, Failure},
    workspace::Workspace,
};

/// The tests of the facade, by the beginnings of their names. Of `volga-http`, the test binary
/// `over_http3` has the files.
const FACADE: &[&str] = &[
    "before_routing::",
    "body::",
    "streams::",
    "stream_ends::",
    "stream_limits::",
    "shutdown::",
    "replies::",
    "health::",
];

/// The tests of the facade among these that are skipped, with the reason.
const FACADE_SKIPPED: &[(&str, &str)] = &[
    ("layers_of_tower_normalise_paths_and_the_client_keeps_its_address", TARGET),
    ("a_client_that_expects_100_continue_is_refused_before_it_sends", CONTINUE),
    ("a_body_that_stops_has_status_408_for_every_extractor", CLOSE),
];

/// The tests of `volga-http` that are skipped, with the reason.
const SKIPPED: &[(&str, &str)] = &[
    ("requests_carry_both_addresses", ADDRESSES),
    ("the_service_of_a_connection_decides_whether_requests_carry_the_addresses", ADDRESSES),
    ("after_a_stream_the_connection_serves_its_next_request", ADDRESSES),
    ("a_drain_closes_an_idle_connection_after_a_stream_at_once", ADDRESSES),
    ("at_the_deadline_a_stream_is_aborted_and_counts_as_one_connection", ADDRESSES),
    ("a_request_sent_during_a_stream_is_served_after_it_however_it_was_cut", HTTP1),
    ("a_client_that_sent_too_much_gets_its_whole_stream_and_is_then_disconnected", HTTP1),
    ("during_a_drain_a_stream_continues_to_its_end_and_then_its_connection_closes", HTTP1),
    ("a_bad_chunk_is_a_malformed_body", HTTP1),
    ("the_disconnect_of_a_stalled_client_is_noticed", HTTP1),
    ("on_http1_the_client_gets_a_head_wherever_the_service_panics", HTTP1),
    ("clients_that_wait_to_be_accepted_when_the_drain_starts_are_served", TCP),
    ("a_client_that_resets_its_stream_leaves_an_incomplete_body", OVERTAKEN),
];

const ADDRESSES: &str = "it compares addresses, and between client and server is a gateway";
const HTTP1: &str = "its subject is HTTP/1: pipelined requests, or the chunks of a body";
const TCP: &str = "its subject is the kernel's queue of TCP connections";
const OVERTAKEN: &str =
    "the reset overtakes its request in the gateway; volga-h3 has a test of its own for it";

const TARGET: &str = "it compares the target, which has its authority on HTTP/2 and HTTP/3";
const CONTINUE: &str = "the gateway itself sends the status 100, because it reads the body";
const CLOSE: &str = "it expects the field `connection`, which HTTP/3 does not have";

pub(super) fn run(workspace: &Workspace) -> Result<(), Failure> {
    for (name, reason) in SKIPPED.iter().chain(FACADE_SKIPPED) {
        println!("skipped: {name}: {reason}");
    }
    // The step `test` leaves this one out. With the whole workspace, nothing else is built again.
    let mut command = workspace.cargo(&["test", "--workspace", "--all-features"]);
    command.args(["--test", "over_http3", "--"]);
    tools::run(command.args(SKIPPED.iter().flat_map(|(name, _)| ["--skip", name])))?;
    let programs = TestPrograms::build(workspace)?;
    for mut command in programs.commands(workspace, "volga", &["it"])? {
        command.args(FACADE).args(FACADE_SKIPPED.iter().flat_map(|(name, _)| ["--skip", name]));
        tools::run(command.env("VOLGA_TEST_HTTP3", "1"))?;
    }
    Ok(())
}

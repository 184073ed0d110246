//! Tests the program as its users see it: a process, its input and its output.

mod faults;
// The tests of the framework use the same file.
#[path = "../../../../crates/volga/tests/it/cutting_proxy.rs"]
mod faulty_network;
mod pipe;
mod program;
mod stream;

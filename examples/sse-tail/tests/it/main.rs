//! The program as its users see it: a process, its input and its output.

mod faults;
// The tests of the framework have it as well.
#[path = "../../../../crates/volga/tests/it/cutting_proxy.rs"]
mod faulty_network;
mod pipe;
mod program;
mod stream;

//! The tests of the crate.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod files;
mod full_disk;
mod kill;
mod support;

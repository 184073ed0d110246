//! The tests of the crate.

#![allow(clippy::unwrap_used)]

mod files;
mod kill;
mod support;

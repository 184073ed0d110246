//! The parts of this crate, through a router, without a socket.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and its helpers do too")]

mod auth;
mod blocking;
mod compression;
mod cookies;
mod cors;
mod cross_site;
mod decompression;
mod file_sessions;
mod files;
mod multipart;
mod multipart_types;
#[cfg(unix)]
mod no_files;
mod rate_limits;
mod sessions;
mod signed_cookies;
mod static_files;
mod support;
mod uploads;

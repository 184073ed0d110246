//! Files, static files and multipart forms, through a router, without a socket.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and its helpers do too")]

mod blocking;
mod compression;
mod decompression;
mod files;
mod multipart;
mod multipart_types;
#[cfg(unix)]
mod no_files;
mod rate_limits;
mod static_files;
mod support;
mod uploads;

//! Files, static files and multipart forms, through a router, without a socket.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and its helpers do too")]

mod files;
mod multipart;
mod multipart_types;
mod static_files;
mod support;
mod uploads;

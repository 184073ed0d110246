//! Compressed responses.
//!
//! | module | content |
//! |---|---|
//! | `decide` | which responses are compressed, and how their headers change (pure) |
//! | `encoder` | one encoder of each coding, with bytes in and bytes out (pure) |
//! | `body` | the body that compresses another one, and decides when bytes leave |
//! | `middleware` | `Compression`, the settings and the middleware |
//!
//! To add a coding, add it to `content_coding.rs` and to `encoder`. `tests/it/compression` decodes
//! each coding with the libraries' own decoders.

pub(crate) mod body;
pub(crate) mod decide;
pub(crate) mod encoder;
pub(crate) mod middleware;

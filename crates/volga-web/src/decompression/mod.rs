//! Request bodies that the client has compressed.
//!
//! | module | content |
//! |---|---|
//! | `codings` | the codings that a request names (pure) |
//! | `decoder` | one decoder of each coding, with bytes in and bytes out (pure) |
//! | `chain` | one or two decoders, one after the other, and their limits (pure) |
//! | `body` | the body that decompresses another one |
//! | `middleware` | `Decompression`, the settings and the middleware |

pub(crate) mod body;
pub(crate) mod chain;
pub(crate) mod codings;
pub(crate) mod decoder;
pub(crate) mod middleware;

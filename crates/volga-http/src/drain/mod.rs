//! The graceful shutdown of a server.
//!
//! | module | idea |
//! |---|---|
//! | `progress` | decides when a draining server is done (pure) |
//! | `handle` | starts a drain, and tells the connections |
//! | `client_timeouts` | shortens the waits for clients that do nothing |
//! | `signal` | SIGTERM and Ctrl-C |

pub(crate) mod client_timeouts;
pub(crate) mod handle;
pub(crate) mod progress;
pub(crate) mod signal;

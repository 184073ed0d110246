//! The graceful shutdown of a server.
//!
//! | module | idea |
//! |---|---|
//! | `progress` | when a draining server is done (pure) |
//! | `handle` | what starts a drain, and how the connections hear of it |
//! | `signal` | SIGTERM and Ctrl-C |

pub(crate) mod handle;
pub(crate) mod progress;
pub(crate) mod signal;

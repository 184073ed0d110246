//! Sockets and listeners: where connections come from.
//!
//! | module | idea |
//! |---|---|
//! | `bind_target`, `target_text` | where to listen, and the text that names it |
//! | `bind`, `error`, `bind_hints` | binds a target, says why that failed, and what to write instead |
//! | `unix_socket`, `inherited` | sockets in the file system, and sockets that the parent process opened |
//! | `listener`, `accept` | one listener of any kind, and accepting from all listeners of a server |
//! | `accept_streams` | the trait for a listener of your own |
//! | `admission`, `counts` | limits on connections, and their counts |
//! | `tcp_keepalive` | finds clients that disappeared without closing |
//! | `handover` | hands a shared port over to another process |

pub(crate) mod accept;
pub(crate) mod accept_streams;
pub(crate) mod admission;
pub(crate) mod bind;
pub(crate) mod bind_hints;
pub(crate) mod bind_target;
pub(crate) mod counts;
pub(crate) mod error;
pub(crate) mod handover;
#[cfg(unix)]
pub(crate) mod inherited;
pub(crate) mod listener;
pub(crate) mod target_text;
pub(crate) mod tcp_keepalive;
#[cfg(unix)]
pub(crate) mod unix_socket;

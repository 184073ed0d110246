//! The life of a connection, whichever protocol it speaks.
//!
//! | module | idea |
//! |---|---|
//! | `info` | what a request knows about its connection |
//! | `handshake` | the handshake before the first request, such as TLS |
//! | `preface` | detects the protocol from the first bytes |
//! | `settings` | the settings that apply to each connection |
//! | `serve` | the first stage: detects the protocol and runs its driver |
//! | `connection_tasks` | the stages of all connections, each in a task |
//! | `task_tracker` | waits until all tasks of a server have ended |

pub(crate) mod connection_tasks;
pub(crate) mod handshake;
pub(crate) mod info;
pub(crate) mod preface;
pub(crate) mod serve;
pub(crate) mod settings;
pub(crate) mod task_tracker;

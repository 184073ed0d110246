//! The life of a connection, whichever protocol it speaks.
//!
//! | module | idea |
//! |---|---|
//! | `info` | what a request knows of its connection |
//! | `handshake` | what comes before the first request, such as TLS |
//! | `preface` | which protocol the first bytes are of |
//! | `settings` | what a server sets for each of its connections |
//! | `serve` | the first stage: the protocol, and its driver |
//! | `connection_tasks` | the stages of all connections, each a task |
//! | `task_tracker` | tasks that cannot outlive their server |

pub(crate) mod connection_tasks;
pub(crate) mod handshake;
pub(crate) mod info;
pub(crate) mod preface;
pub(crate) mod serve;
pub(crate) mod settings;
pub(crate) mod task_tracker;

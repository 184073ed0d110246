//! Replies that outlive their connection: a producer runs by itself, and clients attach to it by a
//! token.
//!
//! | module | idea |
//! |---|---|
//! | `handle` | [`Replies`](crate::replies::handle::Replies), what the application holds |
//! | `claim`, `attachment` | how a reply starts, how a client comes to it, and how it reads |
//! | `producer` | the task that runs a producer and writes its messages |
//! | `registry` | all replies of one `Replies`: the lock, and the timer |
//! | `reply` | one reply, as its producer and its clients share it |
//! | `log`, `waiters`, `lifecycle` | the pure parts: messages, wakers, times |
//! | `counts` | what is counted without a lock |
//! | `settings`, `end`, `error`, `token` | values |
//!
//! `docs/design/replies.md` has the reasons.

pub(crate) mod attachment;
pub(crate) mod claim;
pub(crate) mod counts;
pub(crate) mod end;
pub(crate) mod error;
pub(crate) mod handle;
pub(crate) mod lifecycle;
mod log;
mod producer;
mod registry;
mod reply;
pub(crate) mod settings;
pub(crate) mod token;
mod waiters;

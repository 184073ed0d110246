//! Who subscribes to a topic.
//!
//! | module | content |
//! |---|---|
//! | `event` | what a watch reports |
//! | `topic_presence` | the identities of one topic |
//! | `watch` | the stream of changes that an application holds |

pub(crate) mod event;
pub(crate) mod topic_presence;
pub(crate) mod watch;

//! Who subscribes to a topic.
//!
//! | module | content |
//! |---|---|
//! | `event` | what a watch reports |
//! | `change_log` | the last changes of one topic, which all of its watches read |
//! | `announcement`, `announcer` (pure) | what a node of a shared hub tells the others |
//! | `other_nodes`, `sharing` (pure) | what a node has been told by the others |
//! | `topic_presence` (pure) | the identities of one topic |
//! | `hub_presence` (pure) | the identities of all topics, and when those that left are gone |
//! | `pattern_identities` (pure) | the subscriptions that are present by their patterns |
//! | `unfinished` (pure) | topics that came or went, until all identities have joined or left them |
//! | `watch` | the stream of changes that an application holds |

pub(crate) mod announcement;
pub(crate) mod announcer;
pub(crate) mod change_log;
pub(crate) mod event;
pub(crate) mod hub_presence;
pub(crate) mod other_nodes;
pub(crate) mod pattern_identities;
pub(crate) mod sharing;
pub(crate) mod topic_presence;
pub(crate) mod unfinished;
pub(crate) mod watch;

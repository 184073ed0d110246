//! Who subscribes to a topic.
//!
//! | module | content |
//! |---|---|
//! | `event` | what a watch reports |
//! | `change_log` | the last changes of one topic, which all of its watches read |
//! | `announcement`, `announcer` (pure) | what a node of a shared hub tells the others |
//! | `other_nodes`, `sharing` (pure) | what a node has been told by the others |
//! | `filter_presence` (pure) | the identities that read one name or pattern |
//! | `hub_presence` (pure) | the identities of all names and patterns, and when those that left are gone |
//! | `present_in_topic` (pure) | lists the identities that are present in a topic, and counts their subscriptions |
//! | `overlaps` (pure) | the subscriptions that may read one topic in several ways |
//! | `watched_topics` (pure) | the topics that somebody watches |
//! | `untold_changes`, `telling` (pure) | tells the watches of changes, a few topics at a time |
//! | `watch` | the stream of changes that an application holds |

pub(crate) mod announcement;
pub(crate) mod announcer;
pub(crate) mod change_log;
pub(crate) mod event;
pub(crate) mod filter_presence;
pub(crate) mod hub_presence;
pub(crate) mod other_nodes;
pub(crate) mod overlaps;
pub(crate) mod present_in_topic;
pub(crate) mod sharing;
pub(crate) mod telling;
pub(crate) mod untold_changes;
pub(crate) mod watch;
pub(crate) mod watched_topics;

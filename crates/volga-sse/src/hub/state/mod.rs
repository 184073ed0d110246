//! The state of a hub, behind its handles.
//!
//! | module | content |
//! |---|---|
//! | `hub_state` | what all handles of a hub share; publishing |
//! | `locked_state` | what the hub's one lock guards |
//! | `identities` | the subscriptions of each identity |
//! | `ageing` | what is old goes by time |
//! | `garbage` | memory is given back a little at a time |
//! | `locking`, `guard` | how threads take and release that lock |
//! | `recent_messages` | the last messages, in order |
//! | `recent_sets` (pure) | which patterns matched them |
//! | `delivered_counts` | what subscriptions of several topics got of each topic |
//! | `walk` | the topics that patterns match, a few at a time |
//! | `statistics` | `Hub::stats` and `Hub::topic_stats` |
//! | `relay`, `rollback` | what the feed of a shared hub brings, and what its engine has lost |
//! | `reorder_buffer` (pure) | messages that wait for earlier ones |

pub(crate) mod ageing;
pub(crate) mod delivered_counts;
pub(crate) mod garbage;
pub(crate) mod guard;
pub(crate) mod hub_state;
pub(crate) mod identities;
pub(crate) mod locked_state;
mod locking;
pub(crate) mod recent_messages;
pub(crate) mod recent_sets;
pub(crate) mod relay;
pub(crate) mod reorder_buffer;
mod rollback;
pub(crate) mod sharing;
pub(crate) mod statistics;
pub(crate) mod walk;

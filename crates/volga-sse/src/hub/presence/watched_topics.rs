//! The topics that somebody watches, each with the log that its watches read. Pure.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::hub::presence::change_log::{ChangeLog, SharedLog, WakerLists};

/// The topics that have a presence watch. They need not exist.
#[derive(Debug, Default)]
pub(crate) struct WatchedTopics(BTreeMap<Arc<str>, WatchedTopic>);

#[derive(Debug, Default)]
struct WatchedTopic {
    log: SharedLog,
    watches: usize,
}

impl WatchedTopics {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The log of a topic. `None` if nobody watches the topic.
    pub(crate) fn log_of(&self, topic: &str) -> Option<&ChangeLog> {
        self.0.get(topic).map(|watched| &*watched.log)
    }

    /// The first watched topics after this one, or all from the first on, whose names begin with
    /// this text. They are sorted by name.
    pub(crate) fn page(&self, prefix: &str, after: Option<&str>, max: usize) -> Vec<Arc<str>> {
        let from = match after {
            Some(after) => Bound::Excluded(after),
            None => Bound::Included(prefix),
        };
        let page = self.0.range::<str, _>((from, Bound::Unbounded)).map(|(topic, _)| topic);
        page.take_while(|topic| topic.starts_with(prefix)).take(max).map(Arc::clone).collect()
    }

    /// Adds a watch. In a closed hub it ends after its first event.
    pub(crate) fn watch(&mut self, topic: &Arc<str>, is_closed: bool) -> SharedLog {
        let watched = self.0.entry(Arc::clone(topic)).or_default();
        watched.watches += 1;
        if is_closed {
            watched.log.close(&mut WakerLists::default());
        }
        Arc::clone(&watched.log)
    }

    pub(crate) fn unwatch(&mut self, topic: &str) {
        if let Some(watched) = self.0.get_mut(topic) {
            watched.watches -= 1;
            if watched.watches == 0 {
                self.0.remove(topic);
            }
        }
    }

    /// Lets the watches of these topics end.
    pub(crate) fn close(&self, topics: &[Arc<str>], wakers: &mut WakerLists) {
        let logs = topics.iter().filter_map(|topic| self.log_of(topic));
        logs.for_each(|log| log.close(wakers));
    }
}

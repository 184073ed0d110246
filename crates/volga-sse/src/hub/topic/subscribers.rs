//! The subscribers of a topic.

use std::sync::Arc;

use crate::hub::slot_map::Dense;
use crate::hub::topic::subscriber::Reader;

/// The subscriptions of a topic.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Those of this topic alone. They say when they sleep, so in a burst they are looked at once.
    pub(super) alone: Dense<Arc<Reader>>,
    /// Those that have other topics, or may have. To say it they would have to say it to all of
    /// these.
    pub(super) others: Dense<Arc<Reader>>,
    /// How many of these subscribe to the topic's name.
    pub(super) named_others: usize,
}

/// Among which members of a topic a subscription is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    /// It subscribes to the name of this topic and to nothing else.
    Alone,
    /// It subscribes to the name of this topic, and to others.
    Named,
    /// A pattern of it matches.
    Pattern,
}

/// Who reads a topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Readers {
    None,
    /// Only subscriptions by pattern.
    ByPattern,
    /// At least one that subscribes to its name.
    Named,
}

impl Members {
    pub(super) fn side_mut(&mut self, side: Side) -> &mut Dense<Arc<Reader>> {
        match side {
            Side::Alone => &mut self.alone,
            Side::Named | Side::Pattern => &mut self.others,
        }
    }

    pub(super) fn readers(&self) -> Readers {
        match self.len() {
            0 => Readers::None,
            _ if self.alone.is_empty() && self.named_others == 0 => Readers::ByPattern,
            _ => Readers::Named,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.alone.len() + self.others.len()
    }
}

//! Runs: what many subscribers of one topic lack is mostly the same messages, so they are joined once and shared.
//!
//! Joined for each by itself, a burst of 64 messages for 500 subscribers is 32,000 times a reference taken, a copy and a reference given back. As a run it
//! is one copy in each thread, and one reference for each subscriber.

use std::{
    cell::RefCell,
    sync::{Arc, Weak},
};

use bytes::Bytes;

use super::{Delivery, topic::Topic};
use crate::{DEFAULT_MAX_FRAME_BYTES, DEFAULT_MAX_FRAME_MESSAGES};

/// What a subscription has ready for a frame.
pub(crate) enum Ready {
    One(Delivery),
    Run(Run),
}

impl From<Delivery> for Ready {
    fn from(delivery: Delivery) -> Self {
        Self::One(delivery)
    }
}

/// Messages of one topic that follow one another, as the bytes of one frame.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) bytes: Bytes,
    pub(crate) messages: usize,
    /// The topic has no message, and has lost none, after this number and before `first`.
    after: u64,
    first: u64,
    /// The number of its last message.
    pub(crate) last: u64,
}

impl Run {
    /// Joins what comes after a number, up to the bounds of a frame. One message is no copy. `None` without any.
    pub(crate) fn join<'a>(
        after: u64,
        messages: impl Iterator<Item = (u64, &'a Bytes)> + Clone,
    ) -> Option<Self> {
        let mut all = messages.clone();
        let (first, only) = all.next()?;
        let (mut last, mut count, mut len) = (first, 1, only.len());
        while len < DEFAULT_MAX_FRAME_BYTES
            && count < DEFAULT_MAX_FRAME_MESSAGES
            && let Some((number, bytes)) = all.next()
        {
            (last, count, len) = (number, count + 1, len + bytes.len());
        }
        let bytes = if count == 1 {
            only.clone()
        } else {
            let mut joined = Vec::with_capacity(len);
            messages.take(count).for_each(|(_, bytes)| joined.extend_from_slice(bytes));
            joined.into()
        };
        Some(Self { bytes, messages: count, after, first, last })
    }

    /// Whether it is what somebody is to get next who has everything up to `cursor`, of a topic that goes up to `last`.
    fn is_for(&self, cursor: u64, last: u64) -> bool {
        let is_full = self.bytes.len() >= DEFAULT_MAX_FRAME_BYTES
            || self.messages >= DEFAULT_MAX_FRAME_MESSAGES;
        self.after <= cursor && cursor < self.first && (self.last == last || is_full)
    }
}

thread_local! {
    /// The last run that was joined in this thread.
    ///
    /// So a thread holds at most the bytes of one frame beyond what the logs do, until it joins the next run, or one of its subscribers of that topic leaves. Of
    /// the topic it keeps an empty shell: nobody else gets its address, and so the address says which topic it is.
    static JOINED: RefCell<Option<(Weak<Topic>, Run)>> = const { RefCell::new(None) };
}

/// The run for somebody who has everything of the topic up to `cursor`, if it was joined in this thread before.
pub(crate) fn joined(topic: &Arc<Topic>, cursor: u64, last: u64) -> Option<Run> {
    // Without the thread's own memory, which it loses as it ends, nothing is remembered.
    let find = |joined: &RefCell<Option<(Weak<Topic>, Run)>>| match &*joined.borrow() {
        Some((of, run)) if is_same(of, topic) && run.is_for(cursor, last) => Some(run.clone()),
        _ => None,
    };
    JOINED.try_with(find).ok().flatten()
}

/// Remembers a run for the other subscribers of the topic.
pub(crate) fn remember(topic: &Arc<Topic>, run: &Run) {
    let entry = (Arc::downgrade(topic), run.clone());
    let _ = JOINED.try_with(|joined| joined.replace(Some(entry)));
}

/// Lets go of what is remembered of the topic.
pub(crate) fn forget(topic: &Arc<Topic>) {
    let _ = JOINED.try_with(|joined| joined.borrow_mut().take_if(|(of, _)| is_same(of, topic)));
}

fn is_same(weak: &Weak<Topic>, topic: &Arc<Topic>) -> bool {
    std::ptr::eq(weak.as_ptr(), Arc::as_ptr(topic))
}

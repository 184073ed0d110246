//! Joined frames that the subscriptions of one topic share.
//!
//! Many subscriptions of one topic usually need the same messages. If each joined them for itself,
//! a burst of 64 messages for 500 subscriptions would take a reference, copy a message and release
//! the reference 32,000 times. With this cache it is one copy per thread and one reference per
//! subscription.
//!
//! An entry needs no invalidation when messages are published: a joined frame records the range of
//! numbers that it covers, and that range never changes.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use crate::hub::topic::Topic;
use crate::hub::topic::joined_frame::JoinedFrame;

thread_local! {
    /// The last frame that was joined in this thread.
    ///
    /// So a thread holds at most one frame beyond the logs, until it joins the next one or until a
    /// subscription of that topic ends in this thread. The `Weak` keeps only the topic's
    /// allocation, not its contents. No other topic can get the same address meanwhile, so the
    /// address identifies the topic.
    static LAST_JOINED: RefCell<Option<(Weak<Topic>, JoinedFrame)>> = const { RefCell::new(None) };
}

/// Returns the frame that was joined in this thread, if it comes next for a subscription that has
/// everything of the topic up to `cursor`.
pub(crate) fn find(topic: &Arc<Topic>, cursor: u64, last: u64) -> Option<JoinedFrame> {
    // Thread-local storage is gone while the thread ends. Then nothing is cached.
    let find = |joined: &RefCell<Option<(Weak<Topic>, JoinedFrame)>>| match &*joined.borrow() {
        Some((of, frame)) if is_same(of, topic) && frame.is_for(cursor, last) => {
            Some(frame.clone())
        }
        _ => None,
    };
    LAST_JOINED.try_with(find).ok().flatten()
}

/// Stores a frame for the other subscriptions of the topic.
pub(crate) fn store(topic: &Arc<Topic>, frame: &JoinedFrame) {
    let entry = (Arc::downgrade(topic), frame.clone());
    let _ = LAST_JOINED.try_with(|joined| joined.replace(Some(entry)));
}

/// Removes the frame of the topic.
pub(crate) fn remove(topic: &Arc<Topic>) {
    let _ =
        LAST_JOINED.try_with(|joined| joined.borrow_mut().take_if(|(of, _)| is_same(of, topic)));
}

fn is_same(weak: &Weak<Topic>, topic: &Arc<Topic>) -> bool {
    std::ptr::eq(weak.as_ptr(), Arc::as_ptr(topic))
}

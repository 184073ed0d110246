//! Runs: what many subscribers of one topic lack is mostly the same messages, so they are joined
//! once and shared.
//!
//! Joined for each by itself, a burst of 64 messages for 500 subscribers is 32,000 times a
//! reference taken, a copy and a reference given back. As a run it is one copy in each thread, and
//! one reference for each subscriber.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use crate::hub::topic::Topic;
use crate::hub::topic::joined_frame::JoinedFrame;

thread_local! {
    /// The last run that was joined in this thread.
    ///
    /// So a thread holds at most the bytes of one frame beyond what the logs do, until it joins the
    /// next run, or one of its subscribers of that topic leaves. Of the topic it keeps an empty
    /// shell: nobody else gets its address, and so the address says which topic it is.
    static LAST_JOINED: RefCell<Option<(Weak<Topic>, JoinedFrame)>> = const { RefCell::new(None) };
}

/// The run for somebody who has everything of the topic up to `cursor`, if it was joined in this
/// thread before.
pub(crate) fn find(topic: &Arc<Topic>, cursor: u64, last: u64) -> Option<JoinedFrame> {
    // Without the thread's own memory, which it loses as it ends, nothing is remembered.
    let find = |joined: &RefCell<Option<(Weak<Topic>, JoinedFrame)>>| match &*joined.borrow() {
        Some((of, frame)) if is_same(of, topic) && frame.is_for(cursor, last) => {
            Some(frame.clone())
        }
        _ => None,
    };
    LAST_JOINED.try_with(find).ok().flatten()
}

/// Remembers a run for the other subscribers of the topic.
pub(crate) fn store(topic: &Arc<Topic>, frame: &JoinedFrame) {
    let entry = (Arc::downgrade(topic), frame.clone());
    let _ = LAST_JOINED.try_with(|joined| joined.replace(Some(entry)));
}

/// Lets go of what is remembered of the topic.
pub(crate) fn remove(topic: &Arc<Topic>) {
    let _ =
        LAST_JOINED.try_with(|joined| joined.borrow_mut().take_if(|(of, _)| is_same(of, topic)));
}

fn is_same(weak: &Weak<Topic>, topic: &Arc<Topic>) -> bool {
    std::ptr::eq(weak.as_ptr(), Arc::as_ptr(topic))
}

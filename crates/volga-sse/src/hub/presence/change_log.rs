//! The last changes of one topic, in one log that all watches of the topic read. So a change costs
//! the same however many watches there are, apart from waking those that wait.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::hub::presence::event::{DEFAULT_MAX_PRESENCE_EVENTS, PresenceEvent};
use crate::hub::sync::{Mutex, lock};

/// The last changes of who subscribes to a topic.
#[derive(Debug, Default)]
pub(crate) struct ChangeLog(Mutex<Changes>);

#[derive(Debug, Default)]
struct Changes {
    events: VecDeque<PresenceEvent>,
    /// How many events there were before those in `events`.
    dropped: u64,
    is_closed: bool,
    parked: Vec<Option<Waker>>,
    /// How often the parked wakers were taken.
    rounds: u64,
}

/// Where a watch is in the log, and where its waker is.
#[derive(Debug, Default)]
pub(crate) struct LogCursor {
    next: u64,
    parked: Option<(u64, usize)>,
}

/// What a watch finds in the log.
pub(crate) enum PresenceNews {
    Event(PresenceEvent),
    /// The log has dropped changes that the watch has not seen. Who is present has to be listed,
    /// which needs the hub's lock.
    Behind,
    Closed,
}

impl ChangeLog {
    /// Appends a change. The caller wakes the wakers once it holds no lock.
    pub(crate) fn push(&self, event: PresenceEvent, wakers: &mut WakerLists) {
        let mut changes = lock(&self.0);
        if changes.is_closed {
            return;
        }
        if changes.events.len() == DEFAULT_MAX_PRESENCE_EVENTS {
            changes.events.pop_front();
            changes.dropped += 1;
        }
        changes.events.push_back(event);
        changes.take_parked(wakers);
    }

    /// Lets every watch look again.
    pub(crate) fn wake(&self, wakers: &mut WakerLists) {
        lock(&self.0).take_parked(wakers);
    }

    /// Lets the watches end after the changes that are in the log.
    pub(crate) fn close(&self, wakers: &mut WakerLists) {
        let mut changes = lock(&self.0);
        changes.is_closed = true;
        changes.take_parked(wakers);
    }

    /// Moves the cursor behind the last change. The caller holds the hub's lock and lists who is
    /// present, so no change comes between.
    pub(crate) fn skip_to_end(&self, cursor: &mut LogCursor) {
        let changes = lock(&self.0);
        cursor.next = changes.dropped + changes.events.len() as u64;
    }

    /// Takes all changes after the cursor, which are at most [`DEFAULT_MAX_PRESENCE_EVENTS`].
    /// `None` if the log has dropped some of them.
    pub(crate) fn take_changes(&self, cursor: &mut LogCursor) -> Option<Vec<PresenceEvent>> {
        let changes = lock(&self.0);
        let first = cursor.next.checked_sub(changes.dropped)?;
        cursor.next = changes.dropped + changes.events.len() as u64;
        Some(changes.events.range(first as usize..).cloned().collect())
    }

    /// Whether the log has dropped changes after the cursor.
    pub(crate) fn is_behind(&self, cursor: &LogCursor) -> bool {
        cursor.next < lock(&self.0).dropped
    }

    /// The next change after the cursor. If there is none, the task is woken when there may be one.
    pub(crate) fn poll_news(&self, cursor: &mut LogCursor, cx: &Context<'_>) -> Poll<PresenceNews> {
        let mut changes = lock(&self.0);
        let Some(index) = cursor.next.checked_sub(changes.dropped) else {
            return Poll::Ready(PresenceNews::Behind);
        };
        if let Some(event) = changes.events.get(index as usize) {
            cursor.next += 1;
            return Poll::Ready(PresenceNews::Event(event.clone()));
        }
        if changes.is_closed {
            return Poll::Ready(PresenceNews::Closed);
        }
        let old = changes.park(cursor, cx.waker());
        drop(changes);
        // Dropping a waker runs foreign code, which must not happen under the lock.
        drop(old);
        Poll::Pending
    }

    /// Forgets the waker of a watch that ends.
    pub(crate) fn leave(&self, cursor: &LogCursor) {
        let waker = lock(&self.0).parked_at(cursor).and_then(Option::take);
        drop(waker);
    }
}

impl Changes {
    fn take_parked(&mut self, wakers: &mut WakerLists) {
        if !self.parked.is_empty() {
            self.rounds += 1;
            wakers.push(std::mem::take(&mut self.parked));
        }
    }

    fn parked_at(&mut self, cursor: &LogCursor) -> Option<&mut Option<Waker>> {
        let (round, index) = cursor.parked?;
        if round == self.rounds { self.parked.get_mut(index) } else { None }
    }

    /// Leaves a waker, and returns the one that it replaces.
    fn park(&mut self, cursor: &mut LogCursor, waker: &Waker) -> Option<Waker> {
        if let Some(parked) = self.parked_at(cursor) {
            if parked.as_ref().is_some_and(|parked| parked.will_wake(waker)) {
                return None;
            }
            return parked.replace(waker.clone());
        }
        cursor.parked = Some((self.rounds, self.parked.len()));
        self.parked.push(Some(waker.clone()));
        None
    }
}

/// The wakers of watches, as whole lists. So taking the wakers of a topic is one step, however many
/// watches wait.
#[derive(Debug, Default)]
pub(crate) struct WakerLists(Vec<Vec<Option<Waker>>>);

impl WakerLists {
    fn push(&mut self, list: Vec<Option<Waker>>) {
        self.0.push(list);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Wakes all of them. The caller holds no lock.
    pub(crate) fn wake(self) {
        self.0.into_iter().flatten().flatten().for_each(Waker::wake);
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A log that a watch and its topic share.
pub(crate) type SharedLog = Arc<ChangeLog>;

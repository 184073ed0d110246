//! All replies of one `Replies`: the lock around them, and the timer for what is due.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::replies::counts::{RepliesCounts, ReplyCounters};
use crate::replies::error::{ClaimError, ReplyError, StartError};
use crate::replies::lifecycle::{AbandonPolicy, DueAction, Lifecycles};
use crate::replies::log::Outcome;
use crate::replies::reply::{DeferredWork, Reply};
use crate::replies::settings::RepliesBuilder;
use crate::replies::token::ReplyToken;
use crate::stream::heartbeat::due;

/// The state that clones of a `Replies` share. Producers and clients hold it weakly, so it is
/// dropped with the last of those clones.
///
/// Every access does first what is due, so nothing depends on when the timer fires. The timer is
/// for the time in which there is no access.
pub(crate) struct ReplyRegistry {
    settings: RepliesBuilder,
    state: Mutex<RegistryState>,
    pub(crate) counters: Arc<ReplyCounters>,
    /// Wakes the timer when something is due earlier than the time for which it waits.
    earlier: Arc<Notify>,
}

struct RegistryState {
    lifecycles: Lifecycles<Arc<Reply>>,
    is_closed: bool,
    /// The runtime in which the last reply started. It runs the timer when the last client of a
    /// reply leaves outside of any runtime.
    runtime: Option<Handle>,
    /// Has a strong reference while there is a timer.
    timer: Weak<()>,
}

/// The options of one reply: who may claim it, and what happens when its last client leaves.
#[derive(Debug, Default)]
pub(crate) struct ReplyOptions {
    pub(crate) owner: Option<Box<str>>,
    pub(crate) abandon_policy: Option<AbandonPolicy>,
}

/// A client that was just attached.
pub(crate) struct NewClient {
    pub(crate) reply: Arc<Reply>,
    /// Its slot among the reply's waiters.
    pub(crate) slot: usize,
    /// The index of its next message.
    pub(crate) next: usize,
    /// Its last event ID is unknown. An event of this name tells it that it gets the reply from its
    /// start.
    pub(crate) restart_event: Option<&'static str>,
}

impl ReplyRegistry {
    pub(crate) fn new(settings: RepliesBuilder) -> Arc<Self> {
        let (lifecycles, timer) = (Lifecycles::new(), Weak::new());
        let state = RegistryState { lifecycles, is_closed: false, runtime: None, timer };
        Arc::new(Self {
            settings,
            state: Mutex::new(state),
            counters: Arc::default(),
            earlier: Arc::default(),
        })
    }

    pub(crate) fn settings(&self) -> &RepliesBuilder {
        &self.settings
    }

    /// Adds a reply that starts in this runtime.
    pub(crate) fn start(
        self: &Arc<Self>,
        options: ReplyOptions,
        runtime: &Handle,
    ) -> Result<Arc<Reply>, StartError> {
        let (token, epoch) = ReplyToken::random()?;
        self.with(|state, now, deferred| {
            if state.is_closed {
                return Err(StartError::Closed);
            }
            let max = self.settings.max_replies;
            if state.lifecycles.len() >= max {
                let evicted = state.lifecycles.evict().ok_or(StartError::Full { max })?;
                self.remove(&evicted, deferred);
            }
            state.runtime = Some(runtime.clone());
            let reply = Arc::new(Reply::new(token, epoch, options.owner));
            let policy = options.abandon_policy.unwrap_or(self.settings.abandon_policy);
            let first = due(now, self.settings.first_client_timeout);
            state.lifecycles.insert(token, Arc::clone(&reply), policy, first);
            Ok(reply)
        })
    }

    /// Ends a reply, if it has not ended yet.
    pub(crate) fn end(self: &Arc<Self>, reply: &Arc<Reply>, outcome: Outcome) {
        self.with(|state, now, deferred| self.end_in(state, reply, outcome, now, deferred));
    }

    /// Finds a reply for a client that names this owner.
    fn find(
        state: &RegistryState,
        token: &str,
        owner: Option<&str>,
    ) -> Result<Arc<Reply>, ClaimError> {
        let token = token.parse().map_err(|_| ClaimError::UnknownToken)?;
        let reply = state.lifecycles.find(&token).ok_or(ClaimError::UnknownToken)?;
        if reply.owner.as_deref() == owner {
            Ok(Arc::clone(reply))
        } else {
            Err(ClaimError::WrongOwner)
        }
    }

    /// Attaches a client. The inner error is the outcome of a reply that has ended and of which the
    /// client has every event.
    pub(crate) fn attach(
        self: &Arc<Self>,
        token: &str,
        owner: Option<&str>,
        last_event_id: Option<&str>,
    ) -> Result<Result<NewClient, Outcome>, ClaimError> {
        self.with(|state, _, _| {
            let reply = Self::find(state, token, owner)?;
            let mut reply_state = reply.lock();
            let known = reply_state.log.resume(last_event_id);
            let next = known.unwrap_or(0);
            let restart_event = known.is_none().then_some(self.settings.gap_event);
            if let Some(outcome) = reply_state.log.outcome_after(next) {
                return Ok(Err(outcome.clone()));
            }
            let slot = reply_state.waiters.add();
            drop(reply_state);
            state.lifecycles.attach(&reply.token);
            self.counters.attach();
            Ok(Ok(NewClient { reply, slot, next, restart_event }))
        })
    }

    pub(crate) fn cancel(
        self: &Arc<Self>,
        token: &str,
        owner: Option<&str>,
    ) -> Result<(), ClaimError> {
        self.with(|state, now, deferred| {
            let reply = Self::find(state, token, owner)?;
            self.end_in(state, &reply, Err(ReplyError::Cancelled), now, deferred);
            Ok(())
        })
    }

    /// Removes a client that leaves.
    pub(crate) fn detach(self: &Arc<Self>, reply: &Reply) {
        self.with(|state, now, deferred| {
            if let Some(due) = state.lifecycles.detach(&reply.token, now) {
                self.act(state, due, now, deferred);
            }
        });
    }

    /// Reserves bytes that exceed the bound of all replies, by removing replies that have ended.
    /// Returns false when there are not enough of them.
    pub(crate) fn reserve_by_eviction(self: &Arc<Self>, bytes: usize) -> bool {
        let max = self.settings.max_total_bytes;
        self.with(|state, _, deferred| {
            loop {
                if self.counters.reserve(bytes, max) {
                    return true;
                }
                let Some(evicted) = state.lifecycles.evict() else { return false };
                self.remove(&evicted, deferred);
            }
        })
    }

    /// Stops starting replies.
    pub(crate) fn close(self: &Arc<Self>) {
        self.with(|state, _, _| state.is_closed = true);
    }

    /// Ends all replies that run.
    pub(crate) fn stop(self: &Arc<Self>) {
        self.with(|state, now, deferred| {
            let replies: Vec<_> = state.lifecycles.values().cloned().collect();
            for reply in &replies {
                self.end_in(state, reply, Err(ReplyError::Stopped), now, deferred);
            }
        });
    }

    pub(crate) fn counts(self: &Arc<Self>) -> RepliesCounts {
        self.with(|state, _, _| RepliesCounts {
            running: state.lifecycles.running(),
            kept: state.lifecycles.len() - state.lifecycles.running(),
            attached: self.counters.attached(),
            bytes: self.counters.bytes(),
        })
    }

    /// Does what is due, then `act`, and then what must wait until the lock is free.
    fn with<T>(
        self: &Arc<Self>,
        act: impl FnOnce(&mut RegistryState, Instant, &mut DeferredWork) -> T,
    ) -> T {
        let (now, mut deferred) = (Instant::now(), DeferredWork::default());
        let (result, timer) = {
            let mut state = self.lock();
            let before = state.lifecycles.next_time();
            self.do_what_is_due(&mut state, now, &mut deferred);
            let result = act(&mut state, now, &mut deferred);
            (result, self.timer(&mut state, before))
        };
        deferred.run(self.settings.on_end.as_ref());
        if let Some((timer, runtime)) = timer {
            runtime.spawn(run_timer(Arc::downgrade(self), Arc::clone(&self.earlier), timer));
        }
        result
    }

    /// Returns what a new timer has to hold, and the runtime for it, if a new timer is needed.
    /// A timer that exists is woken instead when something is due earlier than before.
    fn timer(
        &self,
        state: &mut RegistryState,
        before: Option<Instant>,
    ) -> Option<(Arc<()>, Handle)> {
        let next = state.lifecycles.next_time()?;
        if state.timer.strong_count() > 0 {
            if before.is_none_or(|before| next < before) {
                self.earlier.notify_one();
            }
            return None;
        }
        let runtime = Handle::try_current().ok().or_else(|| state.runtime.clone())?;
        let timer = Arc::new(());
        state.timer = Arc::downgrade(&timer);
        Some((timer, runtime))
    }

    fn do_what_is_due(&self, state: &mut RegistryState, now: Instant, deferred: &mut DeferredWork) {
        while let Some(due) = state.lifecycles.next_due(now) {
            self.act(state, due, now, deferred);
        }
    }

    fn act(
        &self,
        state: &mut RegistryState,
        due: DueAction<Arc<Reply>>,
        now: Instant,
        deferred: &mut DeferredWork,
    ) {
        match due {
            DueAction::Cancel(reply) => {
                self.end_in(state, &reply, Err(ReplyError::Abandoned), now, deferred);
            }
            DueAction::Remove(reply) => self.remove(&reply, deferred),
        }
    }

    fn end_in(
        &self,
        state: &mut RegistryState,
        reply: &Arc<Reply>,
        outcome: Outcome,
        now: Instant,
        deferred: &mut DeferredWork,
    ) {
        let is_first = reply.end(outcome, deferred);
        state.lifecycles.end(&reply.token, due(now, self.settings.retention));
        if is_first {
            deferred.ended.push(Arc::clone(reply));
        }
    }

    /// Removes the messages of a reply that `lifecycles` no longer has.
    fn remove(&self, reply: &Reply, deferred: &mut DeferredWork) {
        self.counters.release(reply.clear(deferred));
    }

    fn lock(&self) -> MutexGuard<'_, RegistryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ReplyRegistry {
    fn drop(&mut self) {
        let mut deferred = DeferredWork::default();
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        for reply in state.lifecycles.values() {
            if reply.end(Err(ReplyError::Stopped), &mut deferred) {
                deferred.ended.push(Arc::clone(reply));
            }
        }
        // The observer runs before the messages are removed, so that it sees how many there were.
        deferred.run(self.settings.on_end.as_ref());
        let mut deferred = DeferredWork::default();
        for reply in state.lifecycles.values() {
            self.counters.release(reply.clear(&mut deferred));
        }
        deferred.run(None);
        self.earlier.notify_one();
    }
}

impl fmt::Debug for ReplyRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyRegistry").field("counters", &self.counters).finish_non_exhaustive()
    }
}

/// Does what is due at its time, for as long as something is still to come. One task does this for
/// all replies.
async fn run_timer(registry: Weak<ReplyRegistry>, earlier: Arc<Notify>, timer: Arc<()>) {
    let mut timer = Some(timer);
    loop {
        let next = {
            let Some(registry) = registry.upgrade() else { return };
            let (now, mut deferred) = (Instant::now(), DeferredWork::default());
            let mut state = registry.lock();
            registry.do_what_is_due(&mut state, now, &mut deferred);
            let next = state.lifecycles.next_time();
            if next.is_none() {
                // Dropped under the lock, so that the next access that needs a timer finds none and
                // starts one.
                timer = None;
            }
            drop(state);
            deferred.run(registry.settings.on_end.as_ref());
            next
        };
        let (Some(next), Some(_)) = (next, &timer) else { return };
        // It does no harm to wake too early or too late: what is due is looked up again.
        let _ = timeout_at(next, earlier.notified()).await;
    }
}

//! The task that appends the messages of one node.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};
use volga_sse::Position;
use volga_sse::hub::{Append, KeyChange, Receipt, RelayError, SendError};

use crate::backoff::Backoff;
use crate::connection_error::{Cause, ConnectionError};
use crate::engine::{AppendCall, Engine, Outcome, Role};
use crate::engine_clock::EngineClock;
use crate::queue::{PendingAppend, PendingTail, Request, size};
use crate::settings::{MAX_BATCH, MAX_BATCH_BYTES, Settings};

/// After this time without a request, the appender asks the server for something, so that it knows
/// of a connection that was lost before the next message is sent.
const IDLE: Duration = Duration::from_secs(1);

/// The errors with which Redis refuses a command that would succeed on another connection or in a
/// moment. It has not run the command.
const TRY_AGAIN: &[&str] =
    &["NOSCRIPT", "READONLY", "LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOAUTH"];
/// The errors with which Redis refuses a command that it has not run.
const REFUSED: &[&str] = &["OOM", "MISCONF", "NOREPLICAS", "NOPERM", "MOVED"];

/// Appends messages, and answers questions for the end of the log.
pub(crate) struct Appender {
    requests: UnboundedReceiver<Request>,
    settings: Arc<Settings>,
    /// In the order in which they were sent.
    waiting: VecDeque<PendingAppend>,
    tails: Vec<PendingTail>,
    /// The last position that was acknowledged.
    known: Option<Position>,
    /// The reader has lost its connection, so that of the appender may be lost as well.
    reader_failed: Arc<Notify>,
    /// The hub is closed, so few requests come after those that wait.
    is_closed: bool,
}

/// A connection that has entered an epoch.
struct Session {
    engine: Engine,
    epoch: u64,
    script: String,
    /// `None` until the server was asked for its time.
    clock: Option<EngineClock>,
}

impl Session {
    /// Asks for the time of the server if it is not known.
    async fn update_clock(&mut self) -> Result<(), ConnectionError> {
        if self.clock.and_then(|clock| clock.now(Instant::now())).is_none() {
            let time = self.engine.time().await?;
            self.clock = Some(EngineClock::new(time, Instant::now()));
        }
        Ok(())
    }

    /// Appends messages, and returns a result for each.
    async fn append(
        &mut self,
        settings: &Settings,
        batch: &[PendingAppend],
    ) -> Result<Vec<Outcome>, ConnectionError> {
        let call = AppendCall {
            keys: &settings.keys,
            script: &self.script,
            epoch: self.epoch,
            max_entries: settings.max_entries,
        };
        let now = self.clock.and_then(|clock| clock.now(Instant::now()));
        // Several messages are appended by the script: the nodes then read all of them at once, and
        // are not woken by the first of them.
        let ([PendingAppend { append, .. }], Some(now)) = (batch, now) else {
            return self.engine.append(&call, batch).await;
        };
        if !is_plain(append) {
            return self.engine.append(&call, batch).await;
        }
        match self.engine.append_plain(&call, append, now).await {
            Ok(outcome) => Ok(vec![outcome]),
            Err(error) => match (error.code(), error.reply()) {
                (Some(code), reply) if !TRY_AGAIN.contains(&code) => {
                    let reply = reply.unwrap_or_default();
                    Ok(vec![Outcome::Failed(format!("{code} {reply}"))])
                }
                _ => Err(error),
            },
        }
    }
}

/// Whether the append of a message changes nothing but the log.
fn is_plain(append: &Append) -> bool {
    matches!(append.key(), KeyChange::None) && append.retry_key().is_none()
}

impl Appender {
    pub(crate) fn new(
        requests: UnboundedReceiver<Request>,
        settings: Arc<Settings>,
        reader_failed: Arc<Notify>,
    ) -> Self {
        Self {
            requests,
            settings,
            waiting: VecDeque::new(),
            tails: Vec::new(),
            known: None,
            reader_failed,
            is_closed: false,
        }
    }

    /// Runs until no hub is left that could send. Once the hub is closed, this keeps no connection.
    /// A closed hub can still sign identities out, for which this connects again.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::new();
        let random = RandomState::new();
        loop {
            let error = match self.connect().await {
                Ok(session) => {
                    backoff.reset();
                    self.serve(session).await.err()
                }
                Err(error) => Some(error),
            };
            let is_needed = match error {
                Some(error) => {
                    let wait = backoff.next(random.hash_one(Instant::now()));
                    self.pause(wait, &error).await
                }
                None => false,
            };
            if !is_needed {
                let Some(request) = self.requests.recv().await else { return };
                self.put(request);
            }
        }
    }

    async fn connect(&self) -> Result<Session, ConnectionError> {
        let Settings { servers, keys, .. } = &*self.settings;
        let (mut engine, entered) = Engine::connect_primary(servers, keys, self.known).await?;
        let script = engine.load_append().await?;
        let clock = entered.time.map(|time| EngineClock::new(time, Instant::now()));
        Ok(Session { engine, epoch: entered.epoch, script, clock })
    }

    /// Waits before the next attempt to connect, and fails what has waited for long enough. Returns
    /// false if no connection is needed.
    async fn pause(&mut self, wait: Duration, error: &ConnectionError) -> bool {
        let end = Instant::now() + wait;
        loop {
            self.fail_expired(error);
            if self.is_done() {
                return false;
            }
            match timeout_at(end, self.requests.recv()).await {
                Ok(None) => return false,
                Ok(Some(request)) => self.put(request),
                Err(_) => return true,
            }
        }
    }

    /// Serves requests until the connection fails. Returns without an error if no connection is
    /// needed.
    async fn serve(&mut self, mut session: Session) -> Result<(), ConnectionError> {
        let settings = Arc::clone(&self.settings);
        loop {
            if self.is_done() {
                return Ok(());
            }
            if self.waiting.is_empty() && self.tails.is_empty() {
                let is_idle = tokio::select! {
                    request = self.requests.recv() => match request {
                        Some(request) => {
                            self.put(request);
                            false
                        }
                        None => return Ok(()),
                    },
                    () = self.reader_failed.notified() => true,
                    () = session.engine.pause(IDLE) => true,
                };
                if is_idle {
                    session.engine.tail(&settings.keys).await?;
                    continue;
                }
                // The other tasks that are ready can send before this task goes on, and all of
                // their messages are appended at once.
                tokio::task::yield_now().await;
            }
            while let Ok(request) = self.requests.try_recv() {
                self.put(request);
            }
            if !self.tails.is_empty() {
                let tail = session.engine.tail(&settings.keys).await?;
                // A primary that became a replica may lag behind the new one, and has no log while
                // it copies that of the new one. Then its end says nothing.
                if !matches!(session.engine.role().await?, Role::Primary) {
                    return Err(session.engine.error(Cause::IsReplica));
                }
                let Some(tail) = tail else {
                    return Err(session.engine.error(Cause::LogBeganAnew));
                };
                for PendingTail { reply, .. } in self.tails.drain(..) {
                    _ = reply.send(Ok(tail));
                }
            }
            if !self.waiting.is_empty() {
                session.update_clock().await?;
                let batch = self.next_batch();
                self.append(&mut session, batch).await?;
            }
        }
    }

    fn put(&mut self, request: Request) {
        match request {
            Request::Append(pending) => self.waiting.push_back(pending),
            Request::Tail(pending) => self.tails.push(pending),
            Request::Close => self.is_closed = true,
        }
    }

    /// Whether the hub is closed, and every request has its reply. Then no connection is needed.
    fn is_done(&self) -> bool {
        self.is_closed && self.waiting.is_empty() && self.tails.is_empty()
    }

    fn next_batch(&mut self) -> Vec<PendingAppend> {
        let mut bytes = 0;
        let fits = |pending: &&PendingAppend| {
            let is_first = bytes == 0;
            bytes += size(&pending.append);
            is_first || bytes <= MAX_BATCH_BYTES
        };
        let count = self.waiting.iter().take(MAX_BATCH).take_while(fits).count();
        self.waiting.drain(..count).collect()
    }

    async fn append(
        &mut self,
        session: &mut Session,
        batch: Vec<PendingAppend>,
    ) -> Result<(), ConnectionError> {
        let settings = Arc::clone(&self.settings);
        let outcomes = match session.append(&settings, &batch).await {
            Ok(outcomes) => outcomes,
            Err(error) => return self.fail(batch, error),
        };
        let is_any_appended =
            outcomes.iter().any(|outcome| matches!(outcome, Outcome::Appended(_)));
        let replicas = match settings.replicas {
            0 => Ok(0),
            _ if !is_any_appended => Ok(0),
            count => session.engine.wait_for_replicas(count, settings.replica_wait).await,
        };
        let machines = replicas.as_ref().map_or(1, |replicas| replicas.saturating_add(1));
        let mut stale = Vec::new();
        for (pending, outcome) in batch.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Appended(position) => {
                    self.known = self.known.max(Some(position));
                    _ = pending.reply.send(Ok(Receipt::new(position, machines)));
                }
                Outcome::Stale => stale.push(pending),
                Outcome::Failed(text) => {
                    let text = format!("Redis refused the message: {text}");
                    _ = pending.reply.send(Err(SendError::NotSent(RelayError::new(text))));
                }
            }
        }
        replicas?;
        if !stale.is_empty() {
            self.put_back(stale);
            session.epoch = session.engine.enter(&settings.keys, self.known).await?.epoch;
        }
        Ok(())
    }

    /// Replies to messages that were not appended, or that may have been appended.
    fn fail(
        &mut self,
        batch: Vec<PendingAppend>,
        error: ConnectionError,
    ) -> Result<(), ConnectionError> {
        let is_code = |codes: &[&str]| error.code().is_some_and(|code| codes.contains(&code));
        if is_code(TRY_AGAIN) {
            self.put_back(batch);
            return Err(error);
        }
        if is_code(REFUSED) {
            for pending in batch {
                pending.fail(RelayError::new(error.clone()));
            }
            return Ok(());
        }
        let mut retried = Vec::new();
        for mut pending in batch {
            if pending.append.retry_key().is_some() {
                // Redis knows whether it has appended a message with this key.
                pending.may_be_appended = true;
                retried.push(pending);
            } else {
                let error = RelayError::new(error.clone());
                _ = pending.reply.send(Err(SendError::Unknown(error)));
            }
        }
        self.put_back(retried);
        Err(error)
    }

    fn put_back(&mut self, batch: Vec<PendingAppend>) {
        for pending in batch.into_iter().rev() {
            self.waiting.push_front(pending);
        }
    }

    fn fail_expired(&mut self, error: &ConnectionError) {
        let now = Instant::now();
        let error = RelayError::new(error.clone());
        let (expired, waiting): (VecDeque<_>, _) =
            self.waiting.drain(..).partition(|pending| pending.deadline <= now);
        self.waiting = waiting;
        for pending in expired {
            pending.fail(error.clone());
        }
        for pending in self.tails.extract_if(.., |pending| pending.deadline <= now) {
            _ = pending.reply.send(Err(error.clone()));
        }
    }
}

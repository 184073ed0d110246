//! The task that reads the log and passes it to the hub.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;
use volga_sse::Position;
use volga_sse::hub::{ANNOUNCE_INTERVAL, Feed, RelayState};

use crate::backoff::Backoff;
use crate::connection_error::{Cause, ConnectionError};
use crate::engine::{Engine, Role};
use crate::entry::{Entry, Table};
use crate::epoch_list::EpochList;
use crate::queue::RequestQueue;
use crate::settings::Settings;

/// How many tables are read with one pipeline.
const TABLES_PER_PIPELINE: usize = 32;

/// Reads the log of Redis for one node.
pub(crate) struct Reader {
    feed: Feed,
    /// The way to the appender, for what this node tells the others.
    queue: Arc<RequestQueue>,
    last_announced: Option<Instant>,
    settings: Arc<Settings>,
    /// The ID of the last entry that was read. 0-0 before the first.
    cursor: Position,
    /// The last position that the hub knows of: the epoch that began last, and the last number.
    last: Option<Position>,
    /// The node was live before.
    was_live: bool,
    state: RelayState,
    /// Tells the appender that the connection of the reader has failed.
    has_failed: Arc<Notify>,
}

/// The tables of keyed topics. `None` stands for a server without a log.
type Tables = Vec<(String, Option<Table>)>;

/// The log as one connection reads it.
struct Source {
    engine: Engine,
    epochs: EpochList,
    /// Whether the engine is a replica by choice.
    is_replica: bool,
}

impl Reader {
    pub(crate) fn new(
        feed: Feed,
        queue: Arc<RequestQueue>,
        settings: Arc<Settings>,
        has_failed: Arc<Notify>,
    ) -> Self {
        Self {
            feed,
            queue,
            last_announced: None,
            settings,
            cursor: Position::new(0, 0),
            last: None,
            was_live: false,
            state: RelayState::Starting,
            has_failed,
        }
    }

    /// Reads until the hub is closed.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::new();
        let random = RandomState::new();
        while !self.feed.is_closed() {
            let Err(error) = self.follow(&mut backoff).await else { break };
            self.has_failed.notify_one();
            if self.was_live {
                self.set_state(RelayState::Lost);
            }
            if let Some(on_error) = &self.settings.on_connection_error {
                on_error(&error);
            }
            let wait = backoff.next(random.hash_one(self.cursor));
            tokio::time::sleep(wait).await;
        }
        self.queue.close();
    }

    /// Connects, and reads until the connection fails. Returns without an error if the hub is
    /// closed.
    async fn follow(&mut self, backoff: &mut Backoff) -> Result<(), ConnectionError> {
        let settings = Arc::clone(&self.settings);
        let keys = &settings.keys;
        let (primary, entered) =
            Engine::connect_primary(&settings.servers, keys, self.last).await?;
        if let Some(time) = entered.time {
            self.feed.set_clock(time);
        }
        let mut source = match &settings.replica {
            None => Source { engine: primary, epochs: entered.epochs, is_replica: false },
            Some(replica) => {
                let mut engine = Engine::connect(&replica.0[0]).await?;
                let epochs = engine.epochs(keys).await?;
                Source { engine, epochs, is_replica: true }
            }
        };
        // A node has what the engine has once it has read up to here.
        let target = entered.tail;
        while !self.feed.is_closed() {
            let is_behind = self.cursor < target;
            let blocks = !is_behind || source.is_replica;
            let entries = source.engine.read(keys, self.cursor, blocks).await?;
            if !entries.is_empty() {
                self.take(&mut source, entries).await?;
            } else if !is_behind || source.is_replica {
                self.check(&mut source).await?;
            } else {
                // Everything up to the end was trimmed.
                self.skip_to(&mut source, target).await?;
            }
            if self.cursor >= target && self.state != RelayState::Live {
                if !self.was_live {
                    let tables = self.read_tables(&mut source.engine).await?;
                    self.hand_in(&source.engine, &tables)?;
                }
                self.was_live = true;
                self.set_state(RelayState::Live);
                backoff.reset();
            }
            self.announce();
        }
        Ok(())
    }

    /// Tells the other nodes who subscribes on this one. A read returns at least once a second.
    fn announce(&mut self) {
        let now = Instant::now();
        if self.last_announced.is_some_and(|last| now - last < ANNOUNCE_INTERVAL) {
            return;
        }
        self.last_announced = Some(now);
        for append in self.feed.announcements() {
            // The others ask for what is not appended.
            _ = self.queue.append(append, now + self.settings.max_send_wait);
        }
    }

    /// Passes entries to the hub.
    async fn take(
        &mut self,
        source: &mut Source,
        entries: Vec<Entry>,
    ) -> Result<(), ConnectionError> {
        // The entries from here on have not been passed to the hub.
        let mut start = 0;
        for (index, entry) in entries.iter().enumerate() {
            let position = entry.position;
            if self.last.is_none_or(|last| last.epoch() != position.epoch()) {
                self.put(&entries[start..index]);
                start = index;
                if !self.begin_epochs(source, position.epoch()).await? {
                    // Another program has chosen the ID. No node has acknowledged the entry.
                    start = index + 1;
                    self.cursor = position;
                    continue;
                }
            }
            let last = self.last.map_or(0, Position::number);
            if position.number() == 0 {
                // The start of the epoch.
                self.put(&entries[start..index]);
                start = index + 1;
            } else {
                if position.number() > last + 1 {
                    self.put(&entries[start..index]);
                    start = index;
                    let missing = Position::new(position.epoch(), position.number() - 1);
                    self.lose(source, missing).await?;
                }
                self.last = Some(position);
            }
            self.cursor = position;
        }
        self.put(&entries[start..]);
        Ok(())
    }

    /// Passes entries to the hub. Even without one, a loss or the start of an epoch takes effect.
    fn put(&mut self, entries: &[Entry]) {
        self.feed.take(entries.iter().map(Entry::incoming));
    }

    /// Begins the epochs up to one, each with the end of the one before. Returns false if no node
    /// has begun this epoch.
    async fn begin_epochs(
        &mut self,
        source: &mut Source,
        epoch: u64,
    ) -> Result<bool, ConnectionError> {
        if !source.epochs.contains(epoch) {
            source.epochs = source.engine.epochs(&self.settings.keys).await?;
        }
        if !source.epochs.contains(epoch) {
            return Ok(false);
        }
        let tables = self.tables_after_change(source).await?;
        let current = self.last.map_or(0, Position::epoch);
        for record in source.epochs.between(current, epoch) {
            self.feed.begin(record.epoch, record.ended_at);
            self.last = Some(Position::new(record.epoch, 0));
            self.hand_in(&source.engine, &tables)?;
        }
        Ok(true)
    }

    /// Tells the hub that messages up to a position are missing.
    async fn lose(
        &mut self,
        source: &mut Source,
        through: Position,
    ) -> Result<(), ConnectionError> {
        let tables = self.tables_after_change(source).await?;
        self.feed.lost(through, None);
        self.last = Some(through);
        self.hand_in(&source.engine, &tables)
    }

    /// Continues after a position, up to which the log has no entries any more.
    async fn skip_to(
        &mut self,
        source: &mut Source,
        through: Position,
    ) -> Result<(), ConnectionError> {
        if self.begin_epochs(source, through.epoch()).await?
            && self.last.is_some_and(|last| last < through)
        {
            self.lose(source, through).await?;
        }
        self.put(&[]);
        self.cursor = through;
        Ok(())
    }

    /// Looks at the engine after it had no entries for a while.
    async fn check(&mut self, source: &mut Source) -> Result<(), ConnectionError> {
        let keys = &self.settings.keys;
        let engine = &mut source.engine;
        match (engine.role().await?, source.is_replica) {
            // A replica that became the primary is as good.
            (Role::Primary, _) | (Role::Replica { is_connected: true }, true) => {}
            (Role::Replica { .. }, false) => return Err(engine.error(Cause::IsReplica)),
            (Role::Replica { is_connected: false }, true) => {
                return Err(engine.error(Cause::NoPrimary));
            }
        }
        let tail = engine.tail(keys).await?;
        // A replica may have no log yet, or lag behind one that the node has read before.
        if tail.is_none_or(|tail| tail < self.cursor) {
            return match source.is_replica {
                true => Ok(()),
                false => Err(engine.error(Cause::LogBeganAnew)),
            };
        }
        // Entries that came meanwhile. They may also have come and been trimmed at once.
        let entries = engine.read(keys, self.cursor, false).await?;
        match tail {
            Some(tail) if entries.is_empty() && tail > self.cursor => {
                self.skip_to(source, tail).await
            }
            _ => self.take(source, entries).await,
        }
    }

    /// The tables that the hub needs together with a loss or the start of an epoch. They are read
    /// before the hub is told, so that nothing can fail in between. A node that has not been live
    /// gets its tables once it has read the log.
    async fn tables_after_change(
        &mut self,
        source: &mut Source,
    ) -> Result<Tables, ConnectionError> {
        match self.was_live {
            true => self.read_tables(&mut source.engine).await,
            false => Ok(Tables::new()),
        }
    }

    /// Reads the tables of all keyed topics: those that the engine has, and those that only the hub
    /// has.
    async fn read_tables(&mut self, engine: &mut Engine) -> Result<Tables, ConnectionError> {
        let known = self.feed.keyed_topics();
        let mut names: BTreeSet<String> = known.iter().map(|name| name.to_string()).collect();
        let mut cursor = 0;
        loop {
            let (next, page) = engine.keyed_topics(&self.settings.keys, cursor).await?;
            names.extend(page);
            if next == 0 {
                break;
            }
            cursor = next;
        }
        let names: Vec<String> = names.into_iter().collect();
        let mut all = Tables::new();
        for names in names.chunks(TABLES_PER_PIPELINE) {
            let tables = engine.tables(&self.settings.keys, names).await?;
            all.extend(names.iter().cloned().zip(tables));
        }
        Ok(all)
    }

    /// A table is as new as everything that this connection has read. If it is older nevertheless,
    /// the log is another one.
    fn hand_in(&mut self, engine: &Engine, tables: &Tables) -> Result<(), ConnectionError> {
        for (topic, table) in tables {
            let is_taken = table
                .as_ref()
                .is_some_and(|table| self.feed.snapshot(topic, table.through, table.entries()));
            if !is_taken {
                return Err(engine.error(Cause::LogBeganAnew));
            }
        }
        Ok(())
    }

    fn set_state(&mut self, state: RelayState) {
        self.state = state;
        self.feed.set_state(state);
    }
}

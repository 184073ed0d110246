//! An engine in memory, with the faults that real ones have, and a node that reads it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use volga_sse::{
    Position,
    hub::{
        Append, Feed, Hub, HubBuilder, Incoming, KeyChange, Receipt, Relay, RelayError,
        RelayFuture, RelayState, SendError, SnapshotEntry,
    },
};

use super::MAX_REORDERED;
use crate::seeded::Random;

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) position: Position,
    pub(super) topic: String,
    pub(super) key: Option<(String, bool)>,
    pub(super) payload: Vec<u8>,
    /// No node can read it.
    pub(super) is_foreign: bool,
}

impl Entry {
    fn key_change(&self) -> KeyChange<'_> {
        match &self.key {
            None => KeyChange::None,
            Some((key, true)) => KeyChange::Set(key),
            Some((key, false)) => KeyChange::Remove(key),
        }
    }

    fn incoming(&self) -> Incoming<'_> {
        Incoming {
            position: self.position,
            after: None,
            at: None,
            topic: self.topic.as_bytes(),
            key: self.key_change(),
            payload: &self.payload,
        }
    }
}

/// The state of an engine.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Everything that lasts, also what was trimmed.
    pub(super) entries: Vec<Entry>,
    /// How many of the entries were trimmed.
    trimmed: usize,
    /// Each epoch, and where the ones before ended.
    epochs: Vec<(u64, Option<Position>)>,
    /// Everything that was ever acknowledged.
    pub(super) acknowledged: Vec<Entry>,
    /// The messages that the engine had before it began empty.
    pub(super) emptied: BTreeSet<Position>,
    receipts: HashMap<String, Receipt>,
    /// The next calls of `append` that lose their connection, and whether they append before.
    faults: Vec<bool>,
}

#[derive(Clone)]
pub(super) struct Engine(Arc<Mutex<Log>>);

impl Engine {
    pub(super) fn new() -> Self {
        let engine = Self(Arc::default());
        engine.log().epochs.push((1, None));
        engine
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().expect("no panic")
    }
}

impl Log {
    pub(super) fn tail(&self) -> Position {
        let (epoch, _) = self.epochs[self.epochs.len() - 1];
        let last = self.entries.last().map(|entry| entry.position);
        last.filter(|last| last.epoch() == epoch).unwrap_or(Position::new(epoch, 0))
    }

    pub(super) fn first_epoch(&self) -> u64 {
        self.epochs[0].0
    }

    pub(super) fn append(
        &mut self,
        topic: &str,
        key: Option<(String, bool)>,
        payload: Vec<u8>,
        is_foreign: bool,
    ) -> Position {
        let tail = self.tail();
        let position = Position::new(tail.epoch(), tail.number() + 1);
        let entry = Entry { position, topic: topic.to_owned(), key, payload, is_foreign };
        self.entries.push(entry.clone());
        self.acknowledged.push(entry);
        position
    }

    /// Where the identity was closed, in order.
    pub(super) fn closes(&self, identity: &str) -> Vec<Position> {
        let is_close =
            |entry: &&Entry| !entry.topic.is_ascii() && entry.payload[2..] == *identity.as_bytes();
        self.acknowledged.iter().filter(is_close).map(|entry| entry.position).collect()
    }

    /// Forgets the first messages.
    pub(super) fn trim(&mut self, count: usize) {
        self.trimmed = (self.trimmed + count).min(self.entries.len());
    }

    /// Begins another life. It has lost the last messages of the one before.
    pub(super) fn fail_over(&mut self, lost: usize) {
        let kept = self.entries.len() - lost.min(self.entries.len() - self.trimmed);
        self.entries.truncate(kept);
        let ended_at = self.entries.last().map(|entry| entry.position);
        let (epoch, _) = self.epochs[self.epochs.len() - 1];
        let ended_at = ended_at.unwrap_or(Position::new(self.first_epoch(), 0));
        self.epochs.push((epoch + 1, Some(ended_at)));
    }

    /// Begins another life that knows nothing of the one before.
    pub(super) fn restart_empty(&mut self) {
        let (epoch, _) = self.epochs[self.epochs.len() - 1];
        self.emptied.extend(self.entries.drain(..).map(|entry| entry.position));
        self.trimmed = 0;
        self.epochs = vec![(epoch + 1, None)];
    }

    pub(super) fn add_fault(&mut self, appends: bool) {
        self.faults.push(appends);
    }

    /// The newest message of each key of each topic.
    pub(super) fn tables(&self) -> BTreeMap<String, BTreeMap<String, Entry>> {
        let mut tables: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for entry in &self.entries {
            if let Some((key, is_set)) = &entry.key {
                let table = tables.entry(entry.topic.clone()).or_default();
                match is_set {
                    true => _ = table.insert(key.clone(), entry.clone()),
                    false => _ = table.remove(key),
                }
            }
        }
        tables
    }
}

struct EngineRelay(Engine);

impl Relay for EngineRelay {
    fn append(&self, batch: Vec<Append>) -> RelayFuture<Vec<Result<Receipt, SendError>>> {
        let mut log = self.0.log();
        let append = |append: Append| {
            let broken = || RelayError::new("the connection broke");
            if let Some(receipt) = append.retry_key().and_then(|key| log.receipts.get(key)) {
                return Ok(*receipt);
            }
            let fault = log.faults.pop();
            if fault == Some(false) {
                return Err(SendError::Unknown(broken()));
            }
            let key = match append.key() {
                KeyChange::None => None,
                KeyChange::Set(key) => Some((key.to_owned(), true)),
                KeyChange::Remove(key) => Some((key.to_owned(), false)),
            };
            let position = log.append(append.topic(), key, append.payload().to_vec(), false);
            let receipt = Receipt::new(position, 2);
            if let Some(key) = append.retry_key() {
                log.receipts.insert(key.to_owned(), receipt);
            }
            if fault.is_some() { Err(SendError::Unknown(broken())) } else { Ok(receipt) }
        };
        let results = batch.into_iter().map(append).collect();
        Box::pin(std::future::ready(results))
    }

    fn tail(&self) -> RelayFuture<Result<Position, RelayError>> {
        Box::pin(std::future::ready(Ok(self.0.log().tail())))
    }
}

/// A node: a hub, and what the task of its adapter does.
pub(super) struct Node {
    pub(super) hub: Hub,
    feed: Feed,
    engine: Engine,
    /// The last position that it has read.
    read: Position,
}

impl Node {
    /// Starts a node, which has read nothing yet.
    pub(super) fn start(engine: &Engine, builder: HubBuilder) -> Self {
        let (hub, feed) = builder.build_shared(EngineRelay(engine.clone()));
        Self { hub, feed, engine: engine.clone(), read: Position::new(0, 0) }
    }

    /// The node has lost its engine, so it neither reads nor announces until it reads again.
    pub(super) fn lose_engine(&mut self) {
        self.feed.set_state(RelayState::Lost);
    }

    /// Appends what the node tells the others about who subscribes there.
    pub(super) fn announce(&mut self) {
        for append in self.feed.announcements() {
            let payload = append.payload().to_vec();
            self.engine.log().append(append.topic(), None, payload, false);
        }
    }

    /// Reads at most this many messages. They come in another order and some come twice, within
    /// what the hub holds back.
    pub(super) fn read(&mut self, max: usize, random: &mut Random) {
        let engine = self.engine.clone();
        let log = engine.log();
        let mut left = max;
        for (epoch, ended_at) in &log.epochs {
            if *epoch < self.read.epoch() {
                continue;
            }
            if *epoch > self.read.epoch() {
                // Everything that lasted of the epochs before was read, or was trimmed.
                self.feed.begin(*epoch, *ended_at);
                self.read = Position::new(*epoch, 0);
                hand_in_snapshots(&mut self.feed, &log);
            }
            let held = log.entries[log.trimmed..].iter();
            let next: Vec<_> = held
                .filter(|entry| entry.position.epoch() == *epoch && entry.position > self.read)
                .collect();
            let before = next.first().map(|entry| entry.position.number() - 1);
            if let Some(before) = before.filter(|before| *before > self.read.number()) {
                self.feed.lost(Position::new(*epoch, before), None);
                hand_in_snapshots(&mut self.feed, &log);
            }
            let next = &next[..next.len().min(left)];
            left -= next.len();
            self.take(next, random);
            if let Some(last) = next.last() {
                self.read = last.position;
            }
            let is_trimmed = |entry: &Entry| entry.position.epoch() == *epoch;
            let trimmed = log.entries[..log.trimmed].iter().rfind(|entry| is_trimmed(entry));
            if let Some(trimmed) = trimmed.filter(|trimmed| trimmed.position > self.read) {
                self.feed.lost(trimmed.position, None);
                hand_in_snapshots(&mut self.feed, &log);
                self.read = trimmed.position;
            }
            let has_more = log.entries[log.trimmed..]
                .iter()
                .any(|entry| entry.position.epoch() == *epoch && entry.position > self.read);
            if has_more {
                return;
            }
        }
        if self.hub.relay_state() == RelayState::Starting {
            hand_in_snapshots(&mut self.feed, &log);
        }
        self.feed.set_state(RelayState::Live);
    }

    fn take(&mut self, next: &[&Entry], random: &mut Random) {
        let mut disorder: Vec<(usize, &Entry)> = Vec::new();
        for (index, entry) in next.iter().enumerate() {
            disorder.push((index + random.below(MAX_REORDERED / 2), entry));
            if random.below(4) == 0 {
                disorder.push((index + random.below(4 * MAX_REORDERED), entry));
            }
        }
        disorder.sort_by_key(|(when, _)| *when);
        let all: Vec<_> = disorder.iter().map(|(_, entry)| entry.incoming()).collect();
        for batch in all.chunks(1 + random.below(20)) {
            self.feed.take(batch.iter().copied());
        }
    }
}

fn hand_in_snapshots(feed: &mut Feed, log: &Log) {
    let tables = log.tables();
    let empty = BTreeMap::new();
    let known = feed.keyed_topics();
    let names = tables.keys().map(String::as_str).chain(known.iter().map(|name| &**name));
    for name in names {
        let entries = tables.get(name).unwrap_or(&empty).iter().map(|(key, entry)| SnapshotEntry {
            key,
            position: entry.position,
            payload: &entry.payload,
        });
        assert!(feed.snapshot(name, log.tail(), entries), "the snapshot is the newest");
    }
}

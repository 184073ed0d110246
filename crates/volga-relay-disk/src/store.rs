//! The file: messages by their positions, the values of keys, retry keys, and the lives of the log.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use redb::{
    Database, Durability as Sync, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table,
    TableDefinition, WriteTransaction,
};
use volga_sse::Position;
use volga_sse::hub::{
    Append, Feed, KeyChange, MAX_RETRY_KEYS, PublishError, RETRY_WINDOW, SnapshotEntry,
};

use crate::disk_log::Durability;
use crate::entry::{Entry, milliseconds};
use crate::error::StoreError;

/// The format of the file.
pub(crate) const FORMAT: u64 = 1;

/// The messages.
const LOG: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("log");
/// The newest message of each key of each topic, with its position.
const KEYS: TableDefinition<'_, (&str, &str), (u64, u64, &[u8])> = TableDefinition::new("keys");
/// The position of the message with each retry key, and when it was appended.
const RETRY: TableDefinition<'_, &str, (u64, u64, u64)> = TableDefinition::new("retry");
/// The retry keys by their times.
const RETRY_TIMES: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("retry times");
/// Each life of the log, and the last position before it.
const EPOCHS: TableDefinition<'_, u64, (u64, u64)> = TableDefinition::new("epochs");
/// Single numbers, two each.
const NUMBERS: TableDefinition<'_, &str, (u64, u64)> = TableDefinition::new("numbers");

/// How many lives of the log are remembered. A hub remembers as many.
const MAX_EPOCHS: u64 = 64;
/// How many old messages one transaction drops. It is more than a transaction appends.
const MAX_TRIMMED: usize = 4_096;
/// How many messages are passed to the hub at once.
const MESSAGES_PER_READ: usize = 512;

/// The settings of a store.
#[derive(Clone, Debug)]
pub(crate) struct StoreSettings {
    pub(crate) durability: Durability,
    pub(crate) max_age: Duration,
    pub(crate) max_bytes: u64,
    pub(crate) max_keys: u64,
}

/// The result for a message.
#[derive(Debug)]
pub(crate) enum Outcome {
    Appended(Position),
    /// A message with the same retry key was appended before.
    Known(Position),
    Refused(PublishError),
}

/// Why a batch was not appended.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// The messages are surely not in the file.
    NotAppended(StoreError),
    /// They may be in the file.
    Unknown(StoreError),
}

/// The state that changes with each transaction.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    last: Position,
    /// Everything up to here was dropped.
    trimmed: Position,
    bytes: u64,
}

pub(crate) struct Store {
    db: Database,
    settings: StoreSettings,
    numbers: Numbers,
    /// When the oldest message was appended.
    oldest_at: Option<u64>,
    /// When the first message came that is not on the disk yet.
    unsynced_since: Option<Instant>,
}

impl Store {
    /// Opens the file, and begins another life of the log.
    pub(crate) fn open(path: &Path, settings: StoreSettings) -> Result<Self, StoreError> {
        Self::open_after(path, settings, START)
    }

    /// Opens the file again in the process that had it open, after an error. If the file has
    /// everything up to the last position of this process, its life of the log continues: otherwise
    /// a disk that fails often would make the file forget the earlier ones.
    pub(crate) fn open_after(
        path: &Path,
        settings: StoreSettings,
        known: Position,
    ) -> Result<Self, StoreError> {
        let db = Database::builder().set_check_integrity_on_open(true).create(path)?;
        let transaction = db.begin_write()?;
        let numbers = {
            let mut numbers = transaction.open_table(NUMBERS)?;
            let read = |table: &Table<'_, _, (u64, u64)>, name| -> Result<_, StoreError> {
                Ok(table.get(name)?.map(|numbers| numbers.value()))
            };
            match read(&numbers, "format")? {
                Some((FORMAT, _)) => {}
                Some((other, _)) => return Err(StoreError::Format(other)),
                None => _ = numbers.insert("format", (FORMAT, 0))?,
            }
            let position =
                |found: Option<(u64, u64)>| found.map_or(START, |(e, n)| Position::new(e, n));
            let last = position(read(&numbers, "last")?);
            let trimmed = position(read(&numbers, "trimmed")?);
            let (bytes, _) = read(&numbers, "bytes")?.unwrap_or_default();
            let mut epochs = transaction.open_table(EPOCHS)?;
            let is_complete = known.epoch() == last.epoch() && known <= last && known > START;
            let mut begun = Numbers { last, trimmed, bytes };
            if !is_complete {
                // An epoch is never that of a file which was removed, unless the clock went back.
                let epoch = milliseconds(SystemTime::now()).max(last.epoch().saturating_add(1));
                epochs.insert(epoch, (last.epoch(), last.number()))?;
                while epochs.len()? > MAX_EPOCHS {
                    epochs.pop_first()?;
                }
                begun.last = Position::new(epoch, 0);
            }
            begun.write(&mut numbers)?;
            transaction.open_table(KEYS)?;
            transaction.open_table(RETRY)?;
            transaction.open_table(RETRY_TIMES)?;
            transaction.open_table(LOG)?;
            begun
        };
        transaction.commit()?;
        let mut store = Self { db, settings, numbers, oldest_at: None, unsynced_since: None };
        store.oldest_at = store.read_oldest_at()?;
        Ok(store)
    }

    pub(crate) fn last(&self) -> Position {
        self.numbers.last
    }

    fn read_oldest_at(&self) -> Result<Option<u64>, StoreError> {
        let log = self.db.begin_read()?.open_table(LOG)?;
        log.first()?.map(|(_, bytes)| appended_at(bytes.value())).transpose()
    }

    /// Appends messages in one transaction, and drops what is too old or too much.
    pub(crate) fn append<'a>(
        &mut self,
        batch: impl Iterator<Item = &'a Append>,
        now: u64,
    ) -> Result<Vec<Outcome>, AppendError> {
        let prepare = || -> Result<_, StoreError> {
            let mut transaction = self.db.begin_write()?;
            let is_synced = self.settings.durability == Durability::EachBatch;
            // Nothing but a savepoint makes this fail.
            transaction
                .set_durability(if is_synced { Sync::Immediate } else { Sync::None })
                .map_err(|error| StoreError::Damaged(error.to_string()))?;
            let mut numbers = self.numbers;
            let outcomes = append_all(&transaction, batch, &mut numbers, &self.settings, now)?;
            let oldest_at = trim(&transaction, &mut numbers, &self.settings, now)?;
            numbers.write(&mut transaction.open_table(NUMBERS)?)?;
            Ok((transaction, outcomes, numbers, oldest_at, is_synced))
        };
        let (transaction, outcomes, numbers, oldest_at, is_synced) =
            prepare().map_err(AppendError::NotAppended)?;
        transaction.commit().map_err(|error| AppendError::Unknown(error.into()))?;
        (self.numbers, self.oldest_at) = (numbers, oldest_at);
        if !is_synced {
            self.unsynced_since.get_or_insert_with(Instant::now);
        }
        Ok(outcomes)
    }

    /// Drops messages that have become too old, and writes to the disk what is to be there by now.
    pub(crate) fn tick(&mut self, now: u64) -> Result<(), StoreError> {
        let age = u64::try_from(self.settings.max_age.as_millis()).unwrap_or(u64::MAX);
        if self.oldest_at.is_some_and(|at| now.saturating_sub(at) > age) {
            let trimmed = self.append(std::iter::empty(), now);
            trimmed.map_err(|error| match error {
                AppendError::NotAppended(error) | AppendError::Unknown(error) => error,
            })?;
        }
        match (self.settings.durability, self.unsynced_since) {
            (Durability::Every(time), Some(since)) if since.elapsed() >= time => self.sync(),
            _ => Ok(()),
        }
    }

    /// Writes everything to the disk.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        if self.unsynced_since.take().is_some() {
            self.db.begin_write()?.commit()?;
        }
        Ok(())
    }

    /// Passes everything after a position to the feed of a hub.
    pub(crate) fn replay(&self, feed: &mut Feed, after: Position) -> Result<(), StoreError> {
        let transaction = self.db.begin_read()?;
        let log = transaction.open_table(LOG)?;
        let trimmed = self.numbers.trimmed;
        let epochs: Vec<(u64, Position)> = transaction
            .open_table(EPOCHS)?
            .iter()?
            .map(|item| {
                let (epoch, before) = item?;
                let (before_epoch, number) = before.value();
                Ok((epoch.value(), Position::new(before_epoch, number)))
            })
            .collect::<Result<_, StoreError>>()?;
        for (index, (epoch, before)) in epochs.iter().copied().enumerate() {
            if epoch < after.epoch() {
                continue;
            }
            if epoch > after.epoch() {
                feed.begin(epoch, (before.epoch() > 0).then_some(before));
            }
            let end = epochs.get(index + 1).map_or(trimmed, |(_, end)| trimmed.min(*end));
            if end.epoch() == epoch && end.number() > 0 && end > after {
                feed.lost(end, None);
            }
            let first = if epoch == after.epoch() { after.number() + 1 } else { 1 };
            let mut entries = log.range((epoch, first)..=(epoch, u64::MAX))?;
            loop {
                let page =
                    entries.by_ref().take(MESSAGES_PER_READ).collect::<Result<Vec<_>, _>>()?;
                if page.is_empty() {
                    break;
                }
                let mut incoming = Vec::with_capacity(page.len());
                for (position, bytes) in &page {
                    let (epoch, number) = position.value();
                    let entry =
                        Entry::decode(bytes.value()).ok_or_else(|| not_a_message(number))?;
                    incoming.push(entry.incoming(Position::new(epoch, number)));
                }
                feed.take(incoming);
            }
        }
        self.hand_in_values(&transaction, feed)
    }

    /// Hands in the newest message of each key.
    fn hand_in_values(
        &self,
        transaction: &redb::ReadTransaction,
        feed: &mut Feed,
    ) -> Result<(), StoreError> {
        let keys = transaction.open_table(KEYS)?;
        let last = self.numbers.last;
        let mut topic = String::new();
        let mut values: Vec<(String, Position, Vec<u8>)> = Vec::new();
        let mut hand_in = |topic: &str, values: &mut Vec<(String, Position, Vec<u8>)>| {
            if !values.is_empty() {
                let entries = values.iter().map(|(key, position, payload)| SnapshotEntry {
                    key,
                    position: *position,
                    payload,
                });
                // It is as new as the log, so it is never too old.
                feed.snapshot(topic, last, entries);
                values.clear();
            }
        };
        for item in keys.iter()? {
            let (name, value) = item?;
            let ((of, key), (epoch, number, payload)) = (name.value(), value.value());
            if of != topic {
                hand_in(&topic, &mut values);
                of.clone_into(&mut topic);
            }
            values.push((key.to_owned(), Position::new(epoch, number), payload.to_vec()));
        }
        hand_in(&topic, &mut values);
        Ok(())
    }
}

/// The position before everything.
pub(crate) const START: Position = Position::new(0, 0);

impl Numbers {
    fn write(&self, table: &mut Table<'_, &str, (u64, u64)>) -> Result<(), StoreError> {
        table.insert("last", (self.last.epoch(), self.last.number()))?;
        table.insert("trimmed", (self.trimmed.epoch(), self.trimmed.number()))?;
        table.insert("bytes", (self.bytes, 0))?;
        Ok(())
    }
}

fn append_all<'a>(
    transaction: &WriteTransaction,
    batch: impl Iterator<Item = &'a Append>,
    numbers: &mut Numbers,
    settings: &StoreSettings,
    now: u64,
) -> Result<Vec<Outcome>, StoreError> {
    let mut log = transaction.open_table(LOG)?;
    let mut keys = transaction.open_table(KEYS)?;
    let mut retry = transaction.open_table(RETRY)?;
    let mut retry_times = transaction.open_table(RETRY_TIMES)?;
    let window = RETRY_WINDOW.as_millis() as u64;
    let mut outcomes = Vec::new();
    for append in batch {
        if let Some(retry_key) = append.retry_key() {
            let known = retry.get(retry_key)?.map(|found| found.value());
            if let Some((epoch, number, at)) = known
                && now.saturating_sub(at) <= window
            {
                outcomes.push(Outcome::Known(Position::new(epoch, number)));
                continue;
            }
        }
        let topic = append.topic();
        if let KeyChange::Set(key) = append.key()
            && keys.len()? >= settings.max_keys
            && keys.get((topic, key))?.is_none()
        {
            let max = usize::try_from(settings.max_keys).unwrap_or(usize::MAX);
            outcomes.push(Outcome::Refused(PublishError::TooManyKeys { max }));
            continue;
        }
        let position = Position::new(numbers.last.epoch(), numbers.last.number() + 1);
        let (epoch, number) = (position.epoch(), position.number());
        let entry = Entry::of(append, now).encode();
        log.insert((epoch, number), &*entry)?;
        numbers.bytes += entry.len() as u64;
        numbers.last = position;
        match append.key() {
            KeyChange::None => {}
            KeyChange::Set(key) => {
                keys.insert((topic, key), (epoch, number, &**append.payload()))?;
            }
            KeyChange::Remove(key) => _ = keys.remove((topic, key))?,
        }
        if let Some(retry_key) = append.retry_key() {
            retry.insert(retry_key, (epoch, number, now))?;
            retry_times.insert((now, retry_key), ())?;
        }
        outcomes.push(Outcome::Appended(position));
    }
    // Retry keys go after their time, or when there are too many.
    loop {
        let is_full = retry_times.len()? > MAX_RETRY_KEYS as u64;
        let Some((first, _)) = retry_times.first()? else { break };
        let (at, retry_key) = first.value();
        if !is_full && now.saturating_sub(at) <= window {
            break;
        }
        let retry_key = retry_key.to_owned();
        drop(first);
        retry_times.remove((at, &*retry_key))?;
        let is_same = retry.get(&*retry_key)?.is_some_and(|found| found.value().2 == at);
        if is_same {
            retry.remove(&*retry_key)?;
        }
    }
    Ok(outcomes)
}

/// Drops the oldest messages that are too old or too much. Returns when the oldest one that is left
/// was appended.
fn trim(
    transaction: &WriteTransaction,
    numbers: &mut Numbers,
    settings: &StoreSettings,
    now: u64,
) -> Result<Option<u64>, StoreError> {
    let max_age = u64::try_from(settings.max_age.as_millis()).unwrap_or(u64::MAX);
    let mut log = transaction.open_table(LOG)?;
    for _ in 0..MAX_TRIMMED {
        let (epoch, number, at, len) = {
            let Some((position, bytes)) = log.first()? else { return Ok(None) };
            let ((epoch, number), bytes) = (position.value(), bytes.value());
            (epoch, number, appended_at(bytes)?, bytes.len() as u64)
        };
        if numbers.bytes <= settings.max_bytes && now.saturating_sub(at) <= max_age {
            return Ok(Some(at));
        }
        numbers.bytes = numbers.bytes.saturating_sub(len);
        numbers.trimmed = Position::new(epoch, number);
        log.remove((epoch, number))?;
    }
    log.first()?.map(|(_, bytes)| appended_at(bytes.value())).transpose()
}

fn appended_at(bytes: &[u8]) -> Result<u64, StoreError> {
    let first = bytes.first_chunk().copied().ok_or_else(|| not_a_message(0))?;
    Ok(u64::from_le_bytes(first))
}

fn not_a_message(number: u64) -> StoreError {
    StoreError::Damaged(format!("entry {number} is not a message"))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use volga_sse::Message;
    use volga_sse::hub::{Delivery, Hub, HubBuilder};

    use super::*;
    use crate::relay::DiskRelay;

    fn settings() -> StoreSettings {
        StoreSettings {
            durability: Durability::EachBatch,
            max_age: Duration::from_secs(60),
            max_bytes: u64::MAX,
            max_keys: 10,
        }
    }

    fn builder() -> HubBuilder {
        Hub::builder().keyed("k", 10).expect("a name")
    }

    /// The message that a hub appends for this retry key.
    fn append_of(retry_key: &str) -> Append {
        let (relay, jobs) = DiskRelay::new(1);
        let (hub, _feed) = builder().build_shared(relay);
        let message = hub.send("k", Message::new()).key("p").retry_key(retry_key);
        let _sending = std::future::IntoFuture::into_future(message);
        jobs.recv().expect("a call").batch.remove(0)
    }

    #[test]
    fn messages_go_by_age_and_retry_keys_after_their_window() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = Store::open(&folder.path().join("log"), settings()).expect("open");
        let append = append_of("order 7");
        let window = RETRY_WINDOW.as_millis() as u64;
        let mut put = |now: u64| {
            let outcomes = store.append([&append].into_iter(), now).expect("written");
            let log = store.db.begin_read().expect("read").open_table(LOG).expect("a table");
            let keys = store.db.begin_read().expect("read").open_table(KEYS).expect("a table");
            let retry = store.db.begin_read().expect("read").open_table(RETRY).expect("a table");
            let counts = [log.len(), keys.len(), retry.len()].map(|len| len.expect("a number"));
            (matches!(outcomes[0], Outcome::Appended(_)), counts)
        };
        assert_eq!(put(1_000), (true, [1, 1, 1]));
        assert_eq!(put(61_000), (false, [1, 1, 1]), "60 seconds old");
        assert_eq!(put(61_001), (false, [0, 1, 1]), "the value stays without its message");
        assert_eq!(put(1_000 + window), (false, [0, 1, 1]));
        assert_eq!(put(1_001 + window), (true, [1, 1, 1]), "the same key is new again");
        assert_eq!(put(1_002 + window), (false, [1, 1, 1]));
        // The clock of the machine goes back.
        assert_eq!(put(500), (false, [1, 1, 1]));
    }

    #[test]
    fn so_many_retry_keys_are_remembered() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = Store::open(&folder.path().join("log"), settings()).expect("open");
        let appends = [append_of("a"), append_of("b")];
        let transaction = store.db.begin_write().expect("write");
        {
            // As many as there may be, and one more.
            let mut retry = transaction.open_table(RETRY).expect("a table");
            let mut times = transaction.open_table(RETRY_TIMES).expect("a table");
            for number in 0..MAX_RETRY_KEYS {
                let key = format!("{number:06}");
                retry.insert(&*key, (1, 1, 1_000)).expect("written");
                times.insert((1_000, &*key), ()).expect("written");
            }
        }
        transaction.commit().expect("written");
        store.append(appends.iter(), 1_001).expect("written");
        let retry = store.db.begin_read().expect("read").open_table(RETRY).expect("a table");
        assert_eq!(retry.len().expect("a number"), MAX_RETRY_KEYS as u64);
        assert!(retry.get("000001").expect("read").is_none(), "the oldest keys go");
        assert!(retry.get("b").expect("read").is_some());
    }

    /// The hub's own age and that of the log both apply.
    #[test]
    fn a_client_may_return_for_the_shorter_of_two_ages() {
        const MINUTE: u64 = 60_000;
        const AGES: [u64; 4] = [300, 100, 50, 10];
        let (relay, jobs) = DiskRelay::new(1);
        let (source, _feed) = builder().build_shared(relay);
        let _sending = std::future::IntoFuture::into_future(source.send("t", Message::new()));
        let append = jobs.recv().expect("a call").batch.remove(0);
        let age = |minutes: u64| Duration::from_millis(minutes * MINUTE);
        for (log_age, hub_age) in [30, 70, 200]
            .into_iter()
            .flat_map(|log_age| [30, 70, 200].into_iter().map(move |hub_age| (log_age, hub_age)))
        {
            let folder = tempfile::tempdir().expect("a folder");
            let settings = StoreSettings { max_age: age(log_age), ..settings() };
            let mut store = Store::open(&folder.path().join("log"), settings).expect("open");
            let start = store.last();
            let now = milliseconds(SystemTime::now());
            for minutes in AGES {
                store.append([&append].into_iter(), now - minutes * MINUTE).expect("written");
            }
            store.tick(now).expect("written");
            let (relay, _jobs) = DiskRelay::new(1);
            let (hub, mut feed) = builder().max_age(age(hub_age)).build_shared(relay);
            store.replay(&mut feed, START).expect("read");
            feed.set_state(volga_sse::hub::RelayState::Live);
            let mut client = hub.subscribe("t").resume(start).open().expect("open");
            let (mut messages, mut gaps) = (0, 0);
            while let Some(Some(delivery)) = client.next().now_or_never() {
                match delivery {
                    Delivery::Message(_) => messages += 1,
                    Delivery::Gap(_) => gaps += 1,
                }
            }
            let held = AGES.iter().filter(|minutes| **minutes < log_age.min(hub_age)).count();
            assert_eq!((messages, gaps), (held, 1), "{log_age} {hub_age}");
        }
    }

    #[test]
    fn a_later_run_has_a_greater_epoch_although_the_clock_was_set_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let store = Store::open(&path, settings()).expect("open");
        let far = store.last().epoch() + 1_000_000_000;
        let transaction = store.db.begin_write().expect("write");
        let last = Numbers { last: Position::new(far, 5), ..store.numbers };
        last.write(&mut transaction.open_table(NUMBERS).expect("a table")).expect("written");
        transaction.commit().expect("written");
        drop(store);
        for run in 1..4 {
            let store = Store::open(&path, settings()).expect("open");
            assert_eq!(store.last(), Position::new(far + run, 0));
        }
    }

    #[test]
    fn a_file_of_another_format_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let store = Store::open(&path, settings()).expect("open");
        let transaction = store.db.begin_write().expect("write");
        let mut numbers = transaction.open_table(NUMBERS).expect("a table");
        numbers.insert("format", (FORMAT + 1, 0)).expect("written");
        drop(numbers);
        transaction.commit().expect("written");
        drop(store);
        let error = Store::open(&path, settings()).map(drop).expect_err("refused").at(path);
        assert!(error.to_string().contains("has format 2, but this program reads format 1"));
    }
}

//! The thread that owns the file and the feed of the hub.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use volga_sse::hub::{Append, Feed, Incoming, Receipt, RelayError, RelayState, SendError};

use crate::disk_log::Durability;
use crate::entry::{Entry, milliseconds};
use crate::error::StoreError;
use crate::relay::{Job, Results, Tail};
use crate::store::{AppendError, Outcome, START, Store, StoreSettings};

/// How many messages one transaction has at most, apart from those of its last call.
const MESSAGES_PER_TRANSACTION: usize = 1_024;
/// How often the thread looks at the time while nothing is sent.
const TICK: Duration = Duration::from_millis(250);

pub(crate) struct Writer {
    path: PathBuf,
    settings: StoreSettings,
    feed: Feed,
    jobs: Receiver<Job>,
    tail: Tail,
    /// `None` after the disk has failed, until the file can be opened again.
    store: Option<Store>,
}

impl Writer {
    pub(crate) fn new(
        path: PathBuf,
        settings: StoreSettings,
        feed: Feed,
        jobs: Receiver<Job>,
        tail: Tail,
    ) -> Self {
        Self { path, settings, feed, jobs, tail, store: None }
    }

    /// Passes what the file holds to the hub, after what the hub has.
    pub(crate) fn start(&mut self, store: Store) -> Result<(), StoreError> {
        let after = if self.store.is_none() && self.feed.position().epoch() > 0 {
            self.feed.position()
        } else {
            START
        };
        store.replay(&mut self.feed, after)?;
        self.tail.set(store.last());
        self.store = Some(store);
        self.feed.set_state(RelayState::Live);
        Ok(())
    }

    /// Writes what is sent until the hub is closed or gone.
    pub(crate) fn run(mut self) {
        loop {
            match self.jobs.recv_timeout(self.pause()) {
                Ok(first) => self.write(first),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.feed.is_abandoned() || self.feed.is_closed() {
                break;
            }
            self.tick();
        }
        while let Ok(job) = self.jobs.try_recv() {
            self.write(job);
        }
        if let Some(store) = &mut self.store {
            // The process ends or the hub is dropped, so nobody can be told of an error.
            let _ = store.sync();
        }
    }

    fn pause(&self) -> Duration {
        match self.settings.durability {
            Durability::EachBatch => TICK,
            Durability::Every(time) => TICK.min(time).max(Duration::from_millis(1)),
        }
    }

    /// Writes this call, and those that have come meanwhile, in one transaction.
    fn write(&mut self, first: Job) {
        let mut count = first.batch.len();
        let mut jobs = vec![first];
        while count < MESSAGES_PER_TRANSACTION
            && let Ok(job) = self.jobs.try_recv()
        {
            count += job.batch.len();
            jobs.push(job);
        }
        let now = milliseconds(SystemTime::now());
        let appends = || jobs.iter().flat_map(|job| &job.batch);
        let result = match &mut self.store {
            Some(store) => store.append(appends(), now),
            None => Err(AppendError::NotAppended(StoreError::Io(std::io::Error::other(
                "the disk has failed, and the log is opened again",
            )))),
        };
        let mut results: Results = match result {
            Ok(outcomes) => self.take(appends().zip(&outcomes), now),
            Err(error) => {
                let error = self.fail(error);
                vec![Err(error); count]
            }
        };
        for job in jobs {
            let of_others = results.split_off(job.batch.len());
            // A caller that has gone does not need the result.
            let _ = job.reply.send(results);
            results = of_others;
        }
    }

    /// Passes what was appended to the hub.
    fn take<'a>(
        &mut self,
        appended: impl Iterator<Item = (&'a Append, &'a Outcome)> + Clone,
        now: u64,
    ) -> Results {
        let incoming = appended.clone().filter_map(|(append, outcome)| match outcome {
            Outcome::Appended(position) => Some(Entry::of(append, now).incoming(*position)),
            Outcome::Known(_) | Outcome::Refused(_) => None,
        });
        let incoming: Vec<Incoming<'_>> = incoming.collect();
        if let Some(last) = incoming.last() {
            self.tail.set(last.position);
        }
        self.feed.take(incoming);
        let result = |(_, outcome): (_, &Outcome)| match outcome {
            Outcome::Appended(position) | Outcome::Known(position) => {
                Ok(Receipt::new(*position, 1))
            }
            Outcome::Refused(error) => Err(SendError::Refused(error.clone())),
        };
        appended.map(result).collect()
    }

    /// Closes the file after an error, because the store does nothing any more.
    fn fail(&mut self, error: AppendError) -> SendError {
        if self.store.take().is_some() {
            self.feed.set_state(RelayState::Lost);
        }
        match error {
            AppendError::NotAppended(error) => SendError::NotSent(RelayError::new(error)),
            AppendError::Unknown(error) => SendError::Unknown(RelayError::new(error)),
        }
    }

    fn tick(&mut self) {
        let now = milliseconds(SystemTime::now());
        match &mut self.store {
            Some(store) => {
                if let Err(error) = store.tick(now) {
                    self.fail(AppendError::Unknown(error));
                }
            }
            None => {
                let known = self.tail.position();
                let store = Store::open_after(&self.path, self.settings.clone(), known);
                // It is tried again at the next tick.
                let _ = store.and_then(|store| self.start(store));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::IntoFuture;

    use futures_util::FutureExt;
    use volga_sse::Message;
    use volga_sse::hub::Hub;

    use super::*;
    use crate::relay::DiskRelay;

    #[test]
    fn calls_that_wait_are_written_in_one_transaction() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let settings = StoreSettings {
            durability: Durability::EachBatch,
            max_age: Duration::from_secs(60),
            max_bytes: u64::MAX,
            max_keys: 10,
        };
        let store = Store::open(&path, settings.clone()).expect("open");
        let (relay, jobs) = DiskRelay::new(100);
        let tail = relay.tail.clone();
        let (hub, feed) = Hub::builder().build_shared(relay);
        let mut writer = Writer::new(path, settings, feed, jobs, tail);
        writer.start(store).expect("started");
        let calls: Vec<_> = (0..50).map(|_| hub.send("a", Message::new()).into_future()).collect();
        let first = writer.jobs.recv().expect("a call");
        // One call of `write` is one transaction.
        writer.write(first);
        for call in calls {
            call.now_or_never().expect("it was written with the first one").expect("a receipt");
        }
    }
}

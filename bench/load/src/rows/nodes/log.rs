//! The log of the nodes, to which the load appends entries itself.

use std::{
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use super::pace::Pace;
use crate::{
    clock, connect,
    engine::{Client, Engine},
    failure::Failure,
    server::Server,
    streams::PATIENCE,
};

/// How many commands are sent to the engine in one write.
pub(super) const BATCH: u64 = 64;
/// The length of the data of a message, in bytes.
pub(super) const DATA: usize = 200;
/// The log of a hub of the nodes, and the number of entries that it keeps.
const LOG: &[u8] = b"{volga}:log";
const MAX_ENTRIES: &[u8] = b"100000";

/// A stream of Redis to which the load appends entries as a node does.
pub(super) struct Stream {
    key: &'static [u8],
    /// The form of the IDs.
    ids: String,
    has_max: bool,
}

impl Stream {
    /// The log of the hub.
    pub(super) fn of_nodes(server: &Server) -> Result<Self, Failure> {
        let Position { epoch, .. } = Position::of(server)?;
        Ok(Self { key: LOG, ids: format!("{epoch}-*"), has_max: true })
    }

    /// A stream that no node reads.
    pub(super) fn without_readers() -> Self {
        Self { key: b"bench:append", ids: "*".to_owned(), has_max: true }
    }

    /// Prepares a command that appends the message with this number.
    pub(super) fn prepare(
        &self,
        client: &mut Client,
        topic: &[u8],
        number: u64,
    ) -> Result<(), Failure> {
        let now = clock::since_1970().as_millis().to_string();
        let payload = payload(number);
        let max: &[&[u8]] = if self.has_max { &[b"MAXLEN", b"~", MAX_ENTRIES] } else { &[] };
        let entry: &[&[u8]] =
            &[self.ids.as_bytes(), b"t", topic, b"p", &payload, b"a", now.as_bytes()];
        client.prepare(&[&[b"XADD", self.key][..], max, entry].concat())
    }
}

/// Messages that the load appends to the log itself, with the commands of a node.
pub(super) struct Log {
    client: Client,
    epoch: u64,
    /// The number of the last entry before those of the load.
    base: u64,
    /// How many entries the load has appended.
    pub(super) count: u64,
}

impl Log {
    /// The log of the engine behind this node.
    pub(super) fn of(server: &Server) -> Result<Self, Failure> {
        Self::read_by(server, server.engine()?)
    }

    /// The log of this engine, which this program reads.
    pub(super) fn read_by(reader: &Server, engine: &Engine) -> Result<Self, Failure> {
        let Position { epoch, number, .. } = Position::of(reader)?;
        Ok(Self { client: engine.client()?, epoch, base: number, count: 0 })
    }

    /// Appends so many entries to the topic that all clients read, in one write.
    pub(super) fn append(&mut self, count: u64) -> Result<(), Failure> {
        let names = vec![b"events".to_vec(); count as usize];
        self.append_to(&names, true)
    }

    /// Appends an entry for each number, to a topic with the number modulo `topics`. The log keeps
    /// all of them.
    pub(super) fn append_to_topics(
        &mut self,
        numbers: Range<u64>,
        topics: u64,
    ) -> Result<(), Failure> {
        let names: Vec<_> =
            numbers.map(|number| format!("topic.{}", number % topics).into_bytes()).collect();
        names.chunks(BATCH as usize).try_for_each(|names| self.append_to(names, false))
    }

    fn append_to(&mut self, topics: &[Vec<u8>], has_max: bool) -> Result<(), Failure> {
        let stream = Stream { key: LOG, ids: format!("{}-*", self.epoch), has_max };
        for (topic, number) in topics.iter().zip(self.count..) {
            stream.prepare(&mut self.client, topic, number)?;
        }
        self.client.send()?;
        for _ in topics {
            self.client.reply()?;
        }
        self.count += topics.len() as u64;
        Ok(())
    }

    /// Appends batches for this time. Returns the number of entries.
    pub(super) fn append_batches(&mut self, window: Duration) -> Result<u64, Failure> {
        let (begin, before) = (Instant::now(), self.count);
        while begin.elapsed() < window {
            self.append(BATCH)?;
        }
        Ok(self.count - before)
    }

    /// The same with single entries, at a pace.
    pub(super) fn append_at_a_pace(&mut self, window: Duration) -> Result<u64, Failure> {
        let (begin, before) = (Instant::now(), self.count);
        let mut pace = Pace::begin();
        while begin.elapsed() < window {
            pace.wait();
            self.append(1)?;
        }
        Ok(self.count - before)
    }

    /// Waits until a program has all entries of the load.
    ///
    /// # Errors
    ///
    /// Fails when it does not get the entries, or when a node lacks one.
    pub(super) fn until_held_by(&self, node: &Server) -> Result<(), Failure> {
        let begin = Instant::now();
        loop {
            let Position { number, missing, .. } = Position::of(node)?;
            if missing > 0 {
                return Err(Failure::new(format!("a node lacks {missing} messages")));
            }
            if number >= self.base + self.count {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                return Err(Failure::new("a node does not take in what the engine has"));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The last position that a node has, and how many messages it lacks.
pub(super) struct Position {
    pub(super) text: String,
    epoch: u64,
    pub(super) number: u64,
    pub(super) missing: u64,
}

impl Position {
    pub(super) fn of(node: &Server) -> Result<Self, Failure> {
        let content = connect::fetch(node.address, "/position")?;
        let content = String::from_utf8_lossy(&content);
        let parse = || {
            let (text, missing) = content.split_once(' ')?;
            let (epoch, number) = text.split_once('-')?;
            let hex = |digits| u64::from_str_radix(digits, 16).ok();
            Some(Self {
                text: text.to_owned(),
                epoch: hex(epoch)?,
                number: hex(number)?,
                missing: missing.parse().ok()?,
            })
        };
        parse().ok_or_else(|| Failure::new(format!("`{content}` as a position")))
    }
}

/// An entry's message as a node writes it: a version and the lines of the event. Its data begins
/// with the number.
fn payload(number: u64) -> Vec<u8> {
    format!("\u{1}data: {number:010}{:.<rest$}\n", "", rest = DATA - 10).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_message_of_the_size_that_the_titles_say() {
        assert_eq!(payload(7).len(), 1 + "data: ".len() + DATA + 1);
        assert!(payload(7).starts_with(b"\x01data: 0000000007."));
    }
}

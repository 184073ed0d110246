//! The entries of the log, and the values of tables. Pure.

use std::time::{Duration, SystemTime};

use redis::Value;
use volga_sse::Position;
use volga_sse::hub::{Incoming, KeyChange, SnapshotEntry};

use crate::reply::{array, bytes, items};

/// An entry of the log.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) position: Position,
    topic: Vec<u8>,
    payload: Vec<u8>,
    key: EntryKey,
    at: Option<SystemTime>,
}

#[derive(Debug)]
enum EntryKey {
    None,
    Set(String),
    Remove(String),
}

/// Reads the ID of an entry.
pub(crate) fn parse_id(id: &[u8]) -> Option<Position> {
    let (epoch, number) = str::from_utf8(id).ok()?.split_once('-')?;
    Some(Position::new(epoch.parse().ok()?, number.parse().ok()?))
}

/// The ID of the entry at a position.
pub(crate) fn id_of(position: Position) -> String {
    format!("{}-{}", position.epoch(), position.number())
}

/// Reads the reply to a read of one stream.
pub(crate) fn parse_entries(reply: Value) -> Option<Vec<Entry>> {
    let Some(stream) = array(reply)?.into_iter().next() else { return Some(Vec::new()) };
    let [_, entries] = items(stream)?;
    array(entries)?.into_iter().map(parse_entry).collect()
}

/// Reads an entry. One of another program may lack fields: then it has no valid topic, so it
/// reaches no subscriber, and the node counts it.
fn parse_entry(value: Value) -> Option<Entry> {
    let [id, fields] = items(value)?;
    let position = parse_id(&bytes(id)?)?;
    let (topic, payload) = (Vec::new(), Vec::new());
    let mut entry = Entry { position, topic, payload, key: EntryKey::None, at: None };
    let mut fields = array(fields)?.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        let (name, value) = (bytes(name)?, bytes(value)?);
        // A lossy key differs from every key of ours in length, and the hub checks its length.
        let key = |value| String::from_utf8_lossy(value).into_owned();
        match &*name {
            b"t" => entry.topic = value,
            b"p" => entry.payload = value,
            b"a" => entry.at = parse_time(&value),
            b"s" => entry.key = EntryKey::Set(key(&value)),
            b"r" => entry.key = EntryKey::Remove(key(&value)),
            _ => {}
        }
    }
    Some(entry)
}

fn parse_time(text: &[u8]) -> Option<SystemTime> {
    time_at(str::from_utf8(text).ok()?.parse().ok()?)
}

/// The time at so many milliseconds after the year 1970 began.
pub(crate) fn time_at(milliseconds: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))
}

/// The inverse of [`time_at`].
pub(crate) fn milliseconds_at(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Entry {
    pub(crate) fn incoming(&self) -> Incoming<'_> {
        Incoming {
            position: self.position,
            after: None,
            at: self.at,
            topic: &self.topic,
            key: match &self.key {
                EntryKey::None => KeyChange::None,
                EntryKey::Set(key) => KeyChange::Set(key),
                EntryKey::Remove(key) => KeyChange::Remove(key),
            },
            payload: &self.payload,
        }
    }
}

/// The table of a keyed topic.
#[derive(Debug)]
pub(crate) struct Table {
    /// The end of the log at the same moment.
    pub(crate) through: Position,
    values: Vec<(String, Position, Vec<u8>)>,
}

impl Table {
    /// Reads the reply of the snapshot script. A value is the ID of its message, a space, and the
    /// payload. Values of another form are left out.
    pub(crate) fn parse(reply: Value) -> Option<Self> {
        let [through, values] = items(reply)?;
        let through = parse_id(&bytes(through)?)?;
        let mut fields = array(values)?.into_iter();
        let mut values = Vec::new();
        while let (Some(key), Some(value)) = (fields.next(), fields.next()) {
            let (key, mut value) = (bytes(key)?, bytes(value)?);
            let space = value.iter().position(|byte| *byte == b' ');
            let position = space.and_then(|space| parse_id(&value[..space]));
            if let (Ok(key), Some(space), Some(position)) =
                (String::from_utf8(key), space, position)
            {
                values.push((key, position, value.split_off(space + 1)));
            }
        }
        Some(Self { through, values })
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = SnapshotEntry<'_>> {
        self.values.iter().map(|(key, position, payload)| SnapshotEntry {
            key,
            position: *position,
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn texts(all: &[&str]) -> Value {
        Value::Array(all.iter().map(|text| bulk(text)).collect())
    }

    #[test]
    fn an_id_is_the_position_of_its_message() {
        for position in
            [Position::new(0, 0), Position::new(7, 1), Position::new(u64::MAX, u64::MAX)]
        {
            assert_eq!(parse_id(id_of(position).as_bytes()), Some(position));
        }
        for id in ["", "-", "1", "1-", "-1", "1-x", "1-2-3", "1- 2", "18446744073709551616-0"] {
            assert_eq!(parse_id(id.as_bytes()), None, "{id}");
        }
    }

    #[test]
    fn entries_have_what_was_appended() {
        let fields = texts(&["t", "a.b", "p", "\u{1}data: x\n", "a", "1500", "s", "k"]);
        let entry = Value::Array(vec![bulk("7-3"), fields]);
        let reply = Value::Array(vec![Value::Array(vec![bulk("log"), Value::Array(vec![entry])])]);
        let entries = parse_entries(reply).expect("valid");
        let incoming = entries[0].incoming();
        assert_eq!(incoming.position, Position::new(7, 3));
        assert_eq!(incoming.topic, b"a.b");
        assert_eq!(incoming.payload, b"\x01data: x\n");
        assert_eq!(incoming.at, time_at(1_500));
        assert_eq!(incoming.at.map(milliseconds_at), Some(1_500));
        assert!(matches!(incoming.key, KeyChange::Set("k")));
    }

    #[test]
    fn a_reply_of_another_form_is_refused_and_a_foreign_entry_has_no_topic() {
        assert!(parse_entries(Value::Nil).expect("no entries").is_empty());
        assert!(parse_entries(Value::Int(3)).is_none());
        let stream = |entry| Value::Array(vec![Value::Array(vec![bulk("log"), entry])]);
        assert!(parse_entries(stream(Value::Array(vec![texts(&["x"])]))).is_none());
        for fields in [texts(&["foo", "bar"]), texts(&["t"]), texts(&[]), Value::Nil] {
            let entry = Value::Array(vec![bulk("7-3"), fields]);
            let entries = parse_entries(stream(Value::Array(vec![entry]))).expect("valid");
            assert!(entries[0].incoming().topic.is_empty());
        }
    }

    #[test]
    fn a_table_has_the_position_and_payload_of_each_key() {
        let values = texts(&["k", "7-3 \u{1}data: a b\n", "foreign", "x", "l", "7-4 "]);
        let table = Table::parse(Value::Array(vec![bulk("7-9"), values])).expect("valid");
        assert_eq!(table.through, Position::new(7, 9));
        let found: Vec<_> =
            table.entries().map(|entry| (entry.key, entry.position, entry.payload)).collect();
        let at = |number| Position::new(7, number);
        assert_eq!(found, [("k", at(3), &b"\x01data: a b\n"[..]), ("l", at(4), b"")]);
    }
}

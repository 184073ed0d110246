//! A message in the form that it has in the file. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use volga_sse::Position;
use volga_sse::hub::{Append, Incoming, KeyChange};

/// A message, which borrows the bytes of the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entry<'a> {
    /// When it was appended, in milliseconds since 1970.
    pub(crate) at: u64,
    pub(crate) topic: &'a str,
    pub(crate) key: KeyChange<'a>,
    pub(crate) payload: &'a [u8],
}

const NO_KEY: u8 = 0;
const SET_KEY: u8 = 1;
const REMOVE_KEY: u8 = 2;

impl<'a> Entry<'a> {
    pub(crate) fn of(append: &'a Append, at: u64) -> Self {
        Self { at, topic: append.topic(), key: append.key(), payload: append.payload() }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let (kind, key) = match self.key {
            KeyChange::None => (NO_KEY, ""),
            KeyChange::Set(key) => (SET_KEY, key),
            KeyChange::Remove(key) => (REMOVE_KEY, key),
        };
        let mut bytes = Vec::with_capacity(17 + self.topic.len() + key.len() + self.payload.len());
        bytes.extend_from_slice(&self.at.to_le_bytes());
        bytes.push(kind);
        for text in [self.topic, key] {
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(self.payload);
        bytes
    }

    /// `None` if these are not the bytes of a message.
    pub(crate) fn decode(mut bytes: &'a [u8]) -> Option<Self> {
        let at = u64::from_le_bytes(take(&mut bytes)?);
        let [kind] = take(&mut bytes)?;
        let (topic, key) = (text(&mut bytes)?, text(&mut bytes)?);
        let key = match kind {
            NO_KEY if key.is_empty() => KeyChange::None,
            SET_KEY => KeyChange::Set(key),
            REMOVE_KEY => KeyChange::Remove(key),
            _ => return None,
        };
        Some(Self { at, topic, key, payload: bytes })
    }

    pub(crate) fn incoming(self, position: Position) -> Incoming<'a> {
        Incoming {
            position,
            after: None,
            at: UNIX_EPOCH.checked_add(Duration::from_millis(self.at)),
            topic: self.topic.as_bytes(),
            key: self.key,
            payload: self.payload,
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let len = u32::from_le_bytes(take(bytes)?) as usize;
    let (text, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back_and_a_part_of_its_head_does_not() {
        for key in [KeyChange::None, KeyChange::Set("k"), KeyChange::Remove("")] {
            let entry = Entry { at: 7, topic: "a.b", key, payload: b"\x01data: x\n" };
            let bytes = entry.encode();
            assert_eq!(Entry::decode(&bytes), Some(entry));
            let head = bytes.len() - entry.payload.len();
            assert!((0..head).all(|end| Entry::decode(&bytes[..end]).is_none()));
        }
    }
}

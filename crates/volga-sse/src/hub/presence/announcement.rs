//! The announcements of a node about its subscribers, as bytes. Pure.

use std::sync::Arc;

use crate::hub::topic::name::check_name;

/// The length of an identity that nodes tell each other, in bytes. An identity that is longer is
/// present on its node alone.
pub const MAX_SHARED_IDENTITY: usize = 1_024;

/// The length of such a message, in bytes.
pub(crate) const MAX_ANNOUNCEMENT: usize = 64 * 1024;

/// The length of the fields before the changes.
const HEAD: usize = 8 + 4 + 8 + 8 + 4 + 1;
/// The part of an announcement that is none of a list.
const NO_PART: u32 = u32::MAX;

/// A topic, and an identity that is present in it.
pub(crate) type PresentPair = (Arc<str>, Arc<str>);

/// A change of who is present.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PresenceChange {
    pub(crate) pair: PresentPair,
    pub(crate) kind: ChangeKind,
}

/// The state of an identity in a topic of a node after a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ChangeKind {
    /// It has no subscriptions, and may return.
    Left,
    /// It has subscriptions.
    Joined,
    /// It has no subscriptions, and has left on purpose. A node that does not know this takes it
    /// for [`Left`](Self::Left).
    SignedOut,
}

const LEFT: u8 = 0;
const JOINED: u8 = 1;
const SIGNED_OUT: u8 = 2;

/// A part of a list of everybody who is present.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ListPart {
    pub(crate) index: u32,
    pub(crate) is_last: bool,
}

/// An announcement of a node about the identities that are present there.
///
/// A node numbers its changes, so the others notice if they have missed some.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Announcement {
    pub(crate) node: u64,
    /// For how long this is good, in milliseconds.
    pub(crate) lease: u32,
    /// How many changes the node had told before.
    pub(crate) from: u64,
    /// How many it has told with this message.
    pub(crate) through: u64,
    /// `None` if these are changes.
    pub(crate) part: Option<ListPart>,
    pub(crate) changes: Vec<PresenceChange>,
}

/// Whether other nodes can be told of this.
pub(crate) fn is_shareable(topic: &str, identity: &str) -> bool {
    topic.len() <= usize::from(u16::MAX) / 2 && identity.len() <= MAX_SHARED_IDENTITY
}

impl Announcement {
    pub(crate) fn encode_into(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.node.to_le_bytes());
        bytes.extend_from_slice(&self.lease.to_le_bytes());
        bytes.extend_from_slice(&self.from.to_le_bytes());
        bytes.extend_from_slice(&self.through.to_le_bytes());
        bytes.extend_from_slice(&self.part.map_or(NO_PART, |part| part.index).to_le_bytes());
        bytes.push(u8::from(self.part.is_some_and(|part| part.is_last)));
        for PresenceChange { pair: (topic, identity), kind } in &self.changes {
            bytes.push(match kind {
                ChangeKind::Left => LEFT,
                ChangeKind::Joined => JOINED,
                ChangeKind::SignedOut => SIGNED_OUT,
            });
            for text in [topic, identity] {
                let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
                bytes.extend_from_slice(&len.to_le_bytes());
                bytes.extend_from_slice(&text.as_bytes()[..usize::from(len)]);
            }
        }
    }

    /// `None` if these are not the bytes of an announcement.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        if bytes.len() < HEAD || bytes.len() > MAX_ANNOUNCEMENT {
            return None;
        }
        let node = u64::from_le_bytes(take(&mut bytes)?);
        let lease = u32::from_le_bytes(take(&mut bytes)?);
        let from = u64::from_le_bytes(take(&mut bytes)?);
        let through = u64::from_le_bytes(take(&mut bytes)?);
        let index = u32::from_le_bytes(take(&mut bytes)?);
        let [is_last] = take(&mut bytes)?;
        let part = (index != NO_PART).then_some(ListPart { index, is_last: is_last == 1 });
        let mut changes = Vec::new();
        while !bytes.is_empty() {
            let kind = match take(&mut bytes)? {
                [JOINED] => ChangeKind::Joined,
                [SIGNED_OUT] => ChangeKind::SignedOut,
                _ => ChangeKind::Left,
            };
            let pair = (text(&mut bytes)?, text(&mut bytes)?);
            if check_name(&pair.0, usize::MAX).is_err() || !is_shareable(&pair.0, &pair.1) {
                return None;
            }
            changes.push(PresenceChange { pair, kind });
        }
        Some(Self { node, lease, from, through, part, changes })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

fn text(bytes: &mut &[u8]) -> Option<Arc<str>> {
    let len = usize::from(u16::from_le_bytes(take(bytes)?));
    let (text, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(str::from_utf8(text).ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_comes_back_and_a_part_of_one_is_not_understood() {
        let change = |topic: &str, identity: &str, kind| PresenceChange {
            pair: (topic.into(), identity.into()),
            kind,
        };
        let announcement = Announcement {
            node: u64::MAX - 1,
            lease: 8_000,
            from: 7,
            through: 9,
            part: Some(ListPart { index: 3, is_last: true }),
            changes: vec![
                change("a.b", "anna", ChangeKind::Joined),
                change("c", "", ChangeKind::Left),
                change("d", "b", ChangeKind::SignedOut),
            ],
        };
        let mut bytes = Vec::new();
        announcement.encode_into(&mut bytes);
        assert_eq!(Announcement::decode(&bytes), Some(announcement.clone()));
        let ends: Vec<_> =
            (0..bytes.len()).filter(|end| Announcement::decode(&bytes[..*end]).is_some()).collect();
        // A message that ends between two changes is one with fewer changes.
        assert_eq!(ends, [HEAD, HEAD + 1 + 2 + 3 + 2 + 4, HEAD + 12 + 1 + 2 + 1 + 2]);
        let mut foreign = announcement;
        foreign.changes.push(change("a.*", "anna", ChangeKind::Joined));
        bytes.clear();
        foreign.encode_into(&mut bytes);
        assert_eq!(Announcement::decode(&bytes), None);
        assert_eq!(Announcement::decode(&vec![0; MAX_ANNOUNCEMENT + 1]), None);
    }
}

//! The announcements of a node about its subscribers, as bytes. Pure.

use std::sync::Arc;

use crate::hub::topic::name::check_name;
use crate::hub::topic::pattern::{Pattern, TopicFilter};

/// The length of an identity that nodes tell each other, in bytes. An identity that is longer is
/// present on its node alone.
pub const MAX_SHARED_IDENTITY: usize = 1_024;

/// The length of such a message, in bytes.
pub(crate) const MAX_ANNOUNCEMENT: usize = 64 * 1024;

/// The length of the fields before the changes.
const HEAD: usize = 8 + 4 + 8 + 8 + 4 + 1;
/// The part of an announcement that is none of a list.
const NO_PART: u32 = u32::MAX;

/// A name or pattern, and an identity that reads it.
pub(crate) type PresentPair = (Arc<str>, Arc<str>);

/// A change of who is present.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PresenceChange {
    pub(crate) pair: PresentPair,
    pub(crate) kind: ChangeKind,
}

/// The state of an identity that reads a name or pattern on a node after a change.
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
/// Added to these for a pattern.
const OF_PATTERN: u8 = 3;

/// The characters that are escaped in a pattern. A name has no wildcards, but it may have the `%`
/// with which an escape begins.
const ESCAPES: [(char, &str); 3] = [('%', "%25"), ('*', "%2A"), ('>', "%3E")];

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
pub(crate) fn is_shareable(filter: &str, identity: &str) -> bool {
    encoded_len(filter) <= usize::from(u16::MAX) / 2 && identity.len() <= MAX_SHARED_IDENTITY
}

/// The length of a change of this pair, in bytes.
pub(crate) fn change_len((filter, identity): &PresentPair) -> usize {
    1 + 2 + encoded_len(filter) + 2 + identity.len()
}

/// The length of a name, or of the name that stands for a pattern.
fn encoded_len(filter: &str) -> usize {
    if !filter.contains(['*', '>']) {
        return filter.len();
    }
    let escaped = ESCAPES.iter().flat_map(|(from, to)| filter.matches(*from).map(|_| to.len() - 1));
    filter.len() + escaped.sum::<usize>()
}

/// Makes a name of a pattern. An older node takes a change of it for a
/// [`Left`](ChangeKind::Left) of a topic with this name, in which the identity is not present. So
/// the older node does not list those who read by patterns, but understands the rest.
fn escape(pattern: &str) -> String {
    ESCAPES.iter().fold(pattern.to_owned(), |text, (from, to)| text.replace(*from, to))
}

/// Reverses [`escape`]. `None` if the result is not a pattern.
fn unescape(text: &str) -> Option<Arc<str>> {
    let unescaped = ESCAPES
        .iter()
        .rev()
        .fold(text.to_owned(), |text, (to, from)| text.replace(from, to.encode_utf8(&mut [0; 4])));
    match TopicFilter::parse(&unescaped, usize::MAX) {
        Ok(TopicFilter::Pattern(pattern)) => Some(Arc::clone(pattern.text())),
        _ => None,
    }
}

impl Announcement {
    pub(crate) fn encode_into(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.node.to_le_bytes());
        bytes.extend_from_slice(&self.lease.to_le_bytes());
        bytes.extend_from_slice(&self.from.to_le_bytes());
        bytes.extend_from_slice(&self.through.to_le_bytes());
        bytes.extend_from_slice(&self.part.map_or(NO_PART, |part| part.index).to_le_bytes());
        bytes.push(u8::from(self.part.is_some_and(|part| part.is_last)));
        for PresenceChange { pair: (filter, identity), kind } in &self.changes {
            let kind = match kind {
                ChangeKind::Left => LEFT,
                ChangeKind::Joined => JOINED,
                ChangeKind::SignedOut => SIGNED_OUT,
            };
            let escaped = Pattern::of(filter).map(|pattern| escape(pattern.text()));
            bytes.push(if escaped.is_some() { kind + OF_PATTERN } else { kind });
            for text in [escaped.as_deref().unwrap_or(filter), identity] {
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
            let [code] = take(&mut bytes)?;
            let is_pattern = (OF_PATTERN..=OF_PATTERN + SIGNED_OUT).contains(&code);
            let kind = match if is_pattern { code - OF_PATTERN } else { code } {
                JOINED => ChangeKind::Joined,
                SIGNED_OUT => ChangeKind::SignedOut,
                _ => ChangeKind::Left,
            };
            let (name, identity) = (text(&mut bytes)?, text(&mut bytes)?);
            if check_name(&name, usize::MAX).is_err() {
                return None;
            }
            let filter = if is_pattern { unescape(&name)? } else { name };
            if !is_shareable(&filter, &identity) {
                return None;
            }
            changes.push(PresenceChange { pair: (filter, identity), kind });
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
        for foreign in ["a b", "a..b", "a\u{e9}"] {
            let mut announcement = announcement.clone();
            announcement.changes.push(change(foreign, "anna", ChangeKind::Joined));
            bytes.clear();
            announcement.encode_into(&mut bytes);
            assert_eq!(Announcement::decode(&bytes), None);
        }
        assert_eq!(Announcement::decode(&vec![0; MAX_ANNOUNCEMENT + 1]), None);
    }

    /// The decoder of the first version, as far as it concerns changes.
    fn decode_as_older_node(mut bytes: &[u8]) -> Option<Vec<PresenceChange>> {
        let mut changes = Vec::new();
        while !bytes.is_empty() {
            let kind = match take(&mut bytes)? {
                [JOINED] => ChangeKind::Joined,
                [SIGNED_OUT] => ChangeKind::SignedOut,
                _ => ChangeKind::Left,
            };
            let pair: PresentPair = (text(&mut bytes)?, text(&mut bytes)?);
            check_name(&pair.0, usize::MAX).ok()?;
            changes.push(PresenceChange { pair, kind });
        }
        Some(changes)
    }

    #[test]
    fn a_pattern_comes_back_and_an_older_node_takes_it_for_a_name_that_was_left() {
        let kinds = [ChangeKind::Left, ChangeKind::Joined, ChangeKind::SignedOut];
        let patterns = ["*", ">", "a.*", "%2A.*", "%252A.%.>", "*.*.>", "%25.%3E.*"];
        let changes = patterns.iter().flat_map(|pattern| {
            kinds.map(|kind| PresenceChange { pair: ((*pattern).into(), "anna".into()), kind })
        });
        let name = |kind| PresenceChange { pair: ("%2A".into(), "ben".into()), kind };
        let changes: Vec<_> = changes.chain(kinds.map(name)).collect();
        let (from, through) = (3, 3 + changes.len() as u64);
        let announcement = Announcement { node: 1, lease: 8, from, through, part: None, changes };
        let mut bytes = Vec::new();
        announcement.encode_into(&mut bytes);
        assert_eq!(Announcement::decode(&bytes), Some(announcement.clone()));
        let older = decode_as_older_node(&bytes[HEAD..]).expect("an older node understands it");
        assert_eq!(older.len(), announcement.changes.len());
        let lens = announcement.changes.iter().map(|change| change_len(&change.pair));
        assert_eq!(bytes.len(), HEAD + lens.sum::<usize>());
        let (of_patterns, of_names) = older.split_at(older.len() - kinds.len());
        assert!(of_patterns.iter().all(|change| change.kind == ChangeKind::Left));
        assert_eq!(of_names, kinds.map(name));
    }

    #[test]
    fn a_text_that_is_no_pattern_is_not_understood_as_one() {
        for text in ["a", "a.%2Ab", "%3E.a", "a.%25", "%2A.."] {
            let pair: PresentPair = (text.into(), "anna".into());
            let changes = vec![PresenceChange { pair, kind: ChangeKind::Joined }];
            let announcement =
                Announcement { node: 1, lease: 8, from: 0, through: 1, part: None, changes };
            let mut bytes = Vec::new();
            announcement.encode_into(&mut bytes);
            bytes[HEAD] = JOINED + OF_PATTERN;
            assert_eq!(Announcement::decode(&bytes), None, "{text}");
        }
    }
}

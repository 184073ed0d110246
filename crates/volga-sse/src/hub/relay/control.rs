//! Messages between the hubs of several nodes. They are in the engine's log among the others, so
//! all nodes have them in the same order. Pure.
//!
//! An engine and an older hub treat them as messages of a topic. No topic can have its name, so no
//! client misses a message that a hub does not understand.

use std::sync::Arc;

use crate::hub::presence::announcement::{Announcement, MAX_SHARED_IDENTITY};

/// The topic of these messages in the engine's log. It is not ASCII, so no topic has this name.
pub(crate) const CONTROL_TOPIC: &str = "\u{a7}hub";

/// The first byte of such a message.
const VERSION: u8 = 1;
/// The second byte.
const CLOSE_IDENTITY: u8 = 1;
const PRESENCE: u8 = 2;
const ASK_PRESENCE: u8 = 3;

/// A message from one hub to the hubs of all nodes, itself included.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Control {
    /// All subscriptions of this identity end.
    CloseIdentity(Arc<str>),
    /// Who subscribes on a node.
    Presence(Announcement),
    /// The node with this number asks the others who subscribes there.
    AskPresence(u64),
}

impl Control {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::CloseIdentity(identity) => {
                let mut payload = vec![VERSION, CLOSE_IDENTITY];
                payload.extend_from_slice(identity.as_bytes());
                payload
            }
            Self::Presence(announcement) => {
                let mut payload = vec![VERSION, PRESENCE];
                announcement.encode_into(&mut payload);
                payload
            }
            Self::AskPresence(node) => {
                let mut payload = vec![VERSION, ASK_PRESENCE];
                payload.extend_from_slice(&node.to_le_bytes());
                payload
            }
        }
    }

    /// `None` if this hub does not understand the message.
    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        let (&[VERSION, kind], rest) = payload.split_first_chunk()? else { return None };
        let text = || Some(Arc::from(str::from_utf8(rest).ok()?));
        match kind {
            CLOSE_IDENTITY if rest.len() <= MAX_SHARED_IDENTITY => {
                Some(Self::CloseIdentity(text()?))
            }
            PRESENCE => Some(Self::Presence(Announcement::decode(rest)?)),
            ASK_PRESENCE => Some(Self::AskPresence(u64::from_le_bytes(rest.try_into().ok()?))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::topic::name::check_name;

    #[test]
    fn no_topic_has_the_name_of_the_control_topic() {
        assert!(check_name(CONTROL_TOPIC, usize::MAX).is_err());
    }

    #[test]
    fn a_message_comes_back_as_it_was_sent_and_a_foreign_one_is_not_understood() {
        for control in ["", "anna", "\u{fc}"].map(|name| Control::CloseIdentity(name.into())) {
            assert_eq!(Control::decode(&control.encode()), Some(control));
        }
        let ask = Control::AskPresence(u64::MAX - 1);
        assert_eq!(Control::decode(&ask.encode()), Some(ask));
        let long = Control::CloseIdentity("x".repeat(MAX_SHARED_IDENTITY + 1).into());
        assert_eq!(Control::decode(&long.encode()), None);
        for payload in [&b""[..], b"\x01", b"\x02\x01anna", b"\x01\x00anna", b"\x01\x01\xff"] {
            assert_eq!(Control::decode(payload), None);
        }
    }
}

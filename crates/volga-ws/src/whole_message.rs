//! `take_message`: decodes a message that is one frame and has arrived as a whole. Pure.
//!
//! Most messages are like this. tungstenite would need a context and a buffer for each of them, and
//! these take more time than the message itself.

use bytes::Bytes;

use crate::message::{Message, Utf8Bytes};

/// The first byte of the only frame of a message (RFC 6455, section 5.2).
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

/// The bit of the second byte which says that the payload is masked.
const MASKED: u8 = 0x80;

const MASK_BYTES: usize = 4;

/// Takes the message at the start of `input`. `None` if there is anything else, such as a part of a
/// message, a control frame or an error. Then `input` is as before.
pub(crate) fn take_message(input: &mut &[u8], max_payload: usize) -> Option<Message> {
    let (length, rest) = match **input {
        [TEXT | BINARY, second, ref rest @ ..] if second & MASKED != 0 => {
            match (second & !MASKED, rest) {
                (length @ ..=125, rest) => (usize::from(length), rest),
                (126, [high, low, rest @ ..]) => {
                    (usize::from(u16::from_be_bytes([*high, *low])), rest)
                }
                _ => return None,
            }
        }
        _ => return None,
    };
    if length > max_payload {
        return None;
    }
    let (mask, rest) = rest.split_first_chunk::<MASK_BYTES>()?;
    let (payload, rest) = rest.split_at_checked(length)?;
    let payload = unmasked(payload, *mask);
    let message = match input[0] {
        TEXT => Message::Text(Utf8Bytes::from(String::from_utf8(payload).ok()?)),
        _ => Message::Binary(Bytes::from(payload)),
    };
    *input = rest;
    Some(message)
}

fn unmasked(payload: &[u8], mask: [u8; MASK_BYTES]) -> Vec<u8> {
    let mut payload = payload.to_vec();
    let (words, rest) = payload.as_chunks_mut::<MASK_BYTES>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
    payload
}

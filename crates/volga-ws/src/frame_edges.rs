//! `FrameEdges`: where the frames and the messages of a client begin and end. Pure.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};

/// The length of the longest frame header (RFC 6455, section 5.2).
const MAX_HEADER: usize = 14;

/// Follows the bytes of a client, without looking at payloads.
#[derive(Debug, Default)]
pub(crate) struct FrameEdges {
    /// The first bytes of a header that is not complete.
    header: [u8; MAX_HEADER],
    header_len: usize,
    /// How much of the payload has not come yet.
    payload_left: u64,
    /// Whether a further fragment of a message must follow.
    is_message_open: bool,
}

impl FrameEdges {
    /// Whether a frame, or a message of several frames, is incomplete.
    pub(crate) fn is_inside(&self) -> bool {
        self.header_len > 0 || self.payload_left > 0 || self.is_message_open
    }

    /// Takes the next bytes. After a header that is malformed the state has no meaning.
    pub(crate) fn advance(&mut self, mut input: &[u8]) {
        loop {
            let skipped = self.payload_left.min(input.len() as u64);
            self.payload_left -= skipped;
            input = &input[skipped as usize..];
            if input.is_empty() {
                return;
            }
            let known = self.header_len;
            let taken = input.len().min(MAX_HEADER - known);
            self.header[known..known + taken].copy_from_slice(&input[..taken]);
            let mut cursor = Cursor::new(&self.header[..known + taken]);
            let Ok(Some((header, payload))) = FrameHeader::parse(&mut cursor) else {
                self.header_len = known + taken;
                return;
            };
            input = &input[cursor.position() as usize - known..];
            self.header_len = 0;
            self.payload_left = payload;
            if let OpCode::Data(Data::Continue | Data::Text | Data::Binary) = header.opcode {
                self.is_message_open = !header.is_final;
            }
        }
    }
}

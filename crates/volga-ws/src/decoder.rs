//! `Decoder`: the frames of a client. Pure.
//!
//! A message that is one frame, and has arrived as a whole, is [taken](take_message) as it is.
//! tungstenite reads everything else. A quiet socket holds no state of tungstenite, and no buffer.
//! [`FrameEdges`] follows the frames, and says whether a frame or a message is incomplete. Only
//! then the decoder keeps tungstenite's state for the next bytes.

use std::io::{self, Read, Write};

use bytes::Bytes;
use tungstenite::Error;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

use crate::close::CloseReason;
use crate::frame_edges::FrameEdges;
use crate::message::{Message, Utf8Bytes};
use crate::settings::WebSocketSettings;
use crate::whole_message::take_message;

/// The least and the greatest size of the buffer in which tungstenite collects a frame. A longer
/// frame makes it grow.
const MIN_BUFFER: usize = 128;
const MAX_BUFFER: usize = 1024;

/// Messages up to this size are copied out of the buffer, because a short message must not keep
/// the buffer that it came in.
const COPIED: usize = MIN_BUFFER;

pub(crate) struct Decoder {
    max_message_bytes: usize,
    max_frame_bytes: usize,
    /// `Some` while a frame or a message is incomplete, and after a close.
    unfinished: Option<Box<Unfinished>>,
}

struct Unfinished {
    context: WebSocketContext,
    edges: FrameEdges,
    /// Whether a close was sent or received.
    is_closing: bool,
    /// Whether every frame and message was complete, so that this state is not needed any more.
    is_finished: bool,
}

/// The result of decoding some bytes of the client, apart from messages.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// Frames that must be sent: responses to pings, and to a close.
    pub(crate) replies: Vec<u8>,
    /// The reason of the client's close frame, if there was one. It may have none.
    pub(crate) close: Option<Option<CloseReason>>,
    /// Why no further bytes can be read. After a close it is [`Error::ConnectionClosed`].
    pub(crate) error: Option<Error>,
}

impl Decoder {
    pub(crate) fn new(settings: &WebSocketSettings) -> Self {
        Self {
            max_message_bytes: settings.max_message_bytes,
            max_frame_bytes: settings.max_frame_bytes,
            unfinished: None,
        }
    }

    /// Takes bytes from the client, and calls `receive` with each message.
    pub(crate) fn decode(&mut self, mut input: &[u8], mut receive: impl FnMut(Message)) -> Decoded {
        if let Some(unfinished) = &mut self.unfinished {
            let decoded = unfinished.decode(input, receive);
            if unfinished.is_finished {
                self.unfinished = None;
            }
            return decoded;
        }
        let max_payload = self.max_message_bytes.min(self.max_frame_bytes);
        while let Some(message) = take_message(&mut input, max_payload) {
            receive(message);
        }
        if input.is_empty() {
            return Decoded::default();
        }
        let mut fresh = self.begin(input.len());
        let decoded = fresh.decode(input, receive);
        if !fresh.is_finished {
            self.unfinished = Some(Box::new(fresh));
        }
        decoded
    }

    /// Returns the close frame with this reason. Empty if a close frame was sent before.
    pub(crate) fn close(&mut self, reason: &CloseReason) -> Vec<u8> {
        let mut unfinished =
            self.unfinished.take().unwrap_or_else(|| Box::new(self.begin(MIN_BUFFER)));
        unfinished.is_closing = true;
        let mut pipe = Pipe::new(&[]);
        // It fails only if a close frame was sent before.
        let _ = unfinished.context.close(&mut pipe, Some(reason.to_frame()));
        self.unfinished = Some(unfinished);
        pipe.output
    }

    fn begin(&self, input: usize) -> Unfinished {
        let config = WebSocketConfig::default()
            .read_buffer_size(input.clamp(MIN_BUFFER, MAX_BUFFER))
            // Frames go to our own queue at once.
            .write_buffer_size(0)
            .max_message_size(Some(self.max_message_bytes))
            .max_frame_size(Some(self.max_frame_bytes));
        Unfinished {
            context: WebSocketContext::new(Role::Server, Some(config)),
            edges: FrameEdges::default(),
            is_closing: false,
            is_finished: true,
        }
    }
}

impl Unfinished {
    fn decode(&mut self, input: &[u8], mut receive: impl FnMut(Message)) -> Decoded {
        let mut pipe = Pipe::new(input);
        let mut decoded = Decoded::default();
        let error = loop {
            match self.context.read(&mut pipe) {
                Ok(tungstenite::Message::Text(text)) => {
                    let text = if text.len() <= COPIED { text.as_str().into() } else { text };
                    receive(Message::Text(Utf8Bytes::from_inner(text)));
                }
                Ok(tungstenite::Message::Binary(bytes)) => {
                    let is_short = bytes.len() <= COPIED;
                    let bytes = if is_short { Bytes::copy_from_slice(&bytes) } else { bytes };
                    receive(Message::Binary(bytes));
                }
                Ok(tungstenite::Message::Close(frame)) => {
                    self.is_closing = true;
                    decoded.close = Some(frame.map(CloseReason::from_frame));
                }
                // tungstenite replies to pings by itself.
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break None,
                Err(error) => break Some(error),
            }
        };
        self.edges.advance(input);
        self.is_finished = error.is_none() && !self.is_closing && !self.edges.is_inside();
        decoded.error = error;
        decoded.replies = pipe.output;
        decoded
    }
}

/// The stream that tungstenite reads and writes: bytes in memory.
struct Pipe<'a> {
    input: &'a [u8],
    output: Vec<u8>,
}

impl<'a> Pipe<'a> {
    fn new(input: &'a [u8]) -> Self {
        Self { input, output: Vec::new() }
    }
}

impl Read for Pipe<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.input.read(space)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Encodes a masked frame of a client.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            length @ ..=125 => frame.push(0x80 | length as u8),
            length @ ..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        let mask = [0x12, 0x34, 0x56, 0x78];
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    /// The frames of a client: a message in any number of fragments, or pings.
    #[derive(Clone, Debug)]
    struct Sent {
        message: Option<Message>,
        pings: usize,
        bytes: Vec<u8>,
    }

    fn any_frames() -> impl Strategy<Value = Sent> {
        let size =
            prop_oneof![0..200_usize, Just(125), Just(126), 1_000..3_000_usize, Just(70_000)];
        (size, 1..4_usize, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(size, fragments, is_text, is_ping, with_pings)| {
                if is_ping {
                    let bytes = frame(0x89, &vec![b'p'; size.min(125)]);
                    return Sent { message: None, pings: 1, bytes };
                }
                let payload = vec![b'x'; size];
                let (mut bytes, mut pings) = (Vec::new(), 0);
                for index in 0..fragments {
                    let (start, end) = (size * index / fragments, size * (index + 1) / fragments);
                    let is_last = index + 1 == fragments;
                    let opcode = if index > 0 { 0 } else { 2 - u8::from(is_text) };
                    bytes.extend(frame(u8::from(is_last) << 7 | opcode, &payload[start..end]));
                    if with_pings && !is_last {
                        bytes.extend(frame(0x89, b"between"));
                        pings += 1;
                    }
                }
                let message = if is_text {
                    Message::from(String::from_utf8(payload).expect("ASCII"))
                } else {
                    Message::from(payload)
                };
                Sent { message: Some(message), pings, bytes }
            },
        )
    }

    proptest! {
        /// However the bytes are cut, the messages are the same, and the decoder holds nothing when
        /// every message is complete.
        #[test]
        fn state_is_held_only_inside_of_messages(
            sent in prop::collection::vec(any_frames(), 1..6),
            cuts in prop::collection::vec(1..5_000_usize, 1..8),
        ) {
            let input: Vec<u8> = sent.iter().flat_map(|sent| sent.bytes.clone()).collect();
            let mut ends = Vec::new();
            for sent in &sent {
                ends.push(ends.last().unwrap_or(&0) + sent.bytes.len());
            }
            let mut decoder = Decoder::new(&WebSocketSettings::new());
            let (mut received, mut replies, mut at) = (Vec::new(), Vec::new(), 0);
            let mut cuts = cuts.into_iter().cycle();
            while at < input.len() {
                let end = (at + cuts.next().expect("a cycle")).min(input.len());
                let decoded = decoder.decode(&input[at..end], |message| received.push(message));
                prop_assert!(decoded.error.is_none(), "{:?}", decoded.error);
                replies.extend(decoded.replies);
                at = end;
                prop_assert_eq!(decoder.unfinished.is_none(), ends.contains(&at), "at {}", at);
            }
            let pings: usize = sent.iter().map(|sent| sent.pings).sum();
            let pongs = count_frames(&replies);
            prop_assert_eq!(pongs, pings);
            let sent: Vec<Message> = sent.into_iter().filter_map(|sent| sent.message).collect();
            prop_assert_eq!(received, sent);
        }
    }

    /// A frame of a client that may break each rule, and often is whole.
    fn any_frame() -> impl Strategy<Value = Vec<u8>> {
        let first =
            prop_oneof![4 => Just(0x81), 4 => Just(0x82), 1 => Just(0x89), 1 => any::<u8>()];
        let payload = prop_oneof![
            4 => "[a-zäß€𝄞]{0,60}".prop_map(String::into_bytes),
            1 => prop::collection::vec(any::<u8>(), 0..150),
            1 => (195..205_usize).prop_map(|size| vec![b'x'; size]),
        ];
        let fault = prop_oneof![9 => Just(None), 1 => any::<(usize, u8)>().prop_map(Some)];
        (first, payload, fault).prop_map(|(first, payload, fault)| {
            let mut frame = frame(first, &payload);
            if let Some((at, byte)) = fault {
                // Mostly in the header: the length and the bit of the mask.
                let at = at % frame.len().min(4);
                frame[at] = byte;
            }
            frame
        })
    }

    proptest! {
        /// Messages that are taken as they are make no difference.
        #[test]
        fn everything_is_decoded_as_tungstenite_does(
            frames in prop::collection::vec(any_frame(), 1..6),
            cut in prop_oneof![Just(0), 0..300_usize],
            (max_message, max_frame) in (190..210_usize, 190..210_usize),
        ) {
            let mut input = frames.concat();
            input.truncate(input.len() - cut.min(input.len()));
            let settings = WebSocketSettings::new()
                .max_message_bytes(max_message)
                .max_frame_bytes(max_frame);
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            let mut decoder = Decoder::new(&settings);
            let mut alone = decoder.begin(input.len());
            let found = decoder.decode(&input, |message| ours.push(message));
            let expected = alone.decode(&input, |message| theirs.push(message));
            prop_assert_eq!(ours, theirs);
            prop_assert_eq!(format!("{found:?}"), format!("{expected:?}"));
            prop_assert_eq!(decoder.unfinished.is_none(), alone.is_finished);
        }
    }

    /// Counts the frames of a server, which are short here.
    fn count_frames(mut frames: &[u8]) -> usize {
        let mut count = 0;
        while let [0x8a, length, rest @ ..] = frames {
            count += 1;
            frames = &rest[usize::from(*length)..];
        }
        assert!(frames.is_empty(), "{frames:?}");
        count
    }

    #[test]
    fn a_close_is_answered_once_whoever_begins() {
        let mut decoder = Decoder::new(&WebSocketSettings::new());
        let ours = decoder.close(&CloseReason::from(()));
        assert_eq!(ours[0], 0x88);
        assert!(decoder.close(&CloseReason::from(())).is_empty());
        let decoded = decoder.decode(&frame(0x88, &1000_u16.to_be_bytes()), drop);
        assert!(decoded.close.is_some() && decoded.replies.is_empty());

        let mut decoder = Decoder::new(&WebSocketSettings::new());
        let decoded = decoder.decode(&frame(0x88, &1000_u16.to_be_bytes()), drop);
        assert!(decoded.close.is_some());
        assert_eq!(decoded.replies[0], 0x88);
        assert!(decoder.close(&CloseReason::from(())).is_empty());
    }
}

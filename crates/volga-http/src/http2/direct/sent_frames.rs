//! Follows the frames that `h2` writes, as far as the direct path depends on them. Pure.

use h2::Reason;

use super::received_frames::{ACK, END_HEADERS, END_STREAM};
use super::received_frames::{
    CONTINUATION, DATA, HEAD_BYTES, HEADERS, Head, NUMBER_BYTES, RST_STREAM, SETTINGS,
    WINDOW_UPDATE,
};
use super::windows::{StreamRef, Windows};

/// Follows the frames of `h2`, in whatever pieces `h2` writes them.
#[derive(Debug, Default)]
pub(in crate::http2) struct SentFrames {
    /// The head of a frame, and the number in its payload if it matters.
    head: [u8; HEAD_BYTES + NUMBER_BYTES],
    /// How many bytes of that have been written.
    read: usize,
    /// How many bytes of its payload are left.
    skip: usize,
    /// Whether a header block continues in the next frame, so that nothing may come between.
    is_in_head: bool,
    resets: Vec<StreamRef>,
}

impl SentFrames {
    /// Follows these bytes.
    pub(in crate::http2) fn follow(&mut self, mut bytes: &[u8], windows: &mut Windows) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let wanted = if self.read < HEAD_BYTES { HEAD_BYTES } else { self.head.len() };
            let part = bytes.len().min(wanted - self.read);
            self.head[self.read..][..part].copy_from_slice(&bytes[..part]);
            self.read += part;
            bytes = &bytes[part..];
            if self.read < wanted {
                return;
            }
            let [head @ .., a, b, c, d] = self.head;
            let head = Head::read(&head);
            let has_number =
                matches!(head.kind, RST_STREAM | WINDOW_UPDATE) && head.length == NUMBER_BYTES;
            if has_number && wanted == HEAD_BYTES {
                // The number follows.
                continue;
            }
            self.read = 0;
            if has_number {
                self.note_number(head, u32::from_be_bytes([a, b, c, d]), windows);
            } else {
                self.skip = head.length;
                self.note(head, windows);
            }
        }
    }

    fn note_number(&mut self, head: Head, number: u32, windows: &mut Windows) {
        let stream = head.stream;
        if head.kind == WINDOW_UPDATE {
            if stream == 0 {
                windows.upload.note_grant(number);
            }
            return;
        }
        // A refused stream never became a request, so it does not count as abandoned.
        let is_refused = number == u32::from(Reason::REFUSED_STREAM);
        let open = if is_refused { windows.close(stream) } else { windows.reset(stream) };
        self.resets.extend(open);
    }

    fn note(&mut self, head: Head, windows: &mut Windows) {
        let Head { kind, flags, stream, length } = head;
        match kind {
            DATA => windows.note_sent(stream, length as u32),
            HEADERS | CONTINUATION => {
                self.is_in_head = flags & END_HEADERS == 0;
                windows.note_head_sent(stream);
            }
            SETTINGS if flags & ACK != 0 => windows.acknowledge(),
            _ => {}
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            windows.close(stream);
        }
    }

    /// Whether another frame may be written now.
    pub(in crate::http2) fn is_between_frames(&self) -> bool {
        self.skip == 0 && self.read == 0 && !self.is_in_head
    }

    /// The streams that `h2` has reset. Each is returned once.
    pub(in crate::http2) fn take_resets(&mut self) -> Vec<StreamRef> {
        std::mem::take(&mut self.resets)
    }
}

#[cfg(test)]
mod tests {
    use super::super::windows::SendPath;
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, length: usize) -> Vec<u8> {
        // A payload that looks like heads.
        [&Head { kind, flags, stream, length }.write()[..], &vec![1; length]].concat()
    }

    /// Lets `h2` write these frames, cut in every way. Returns the state after each cut.
    fn write(frames: &[Vec<u8>], check: impl Fn(&mut SentFrames, &mut Windows, usize)) {
        let bytes = frames.concat();
        for cut in 1..=bytes.len() {
            let (mut written, mut windows) = (SentFrames::default(), Windows::new(true));
            windows.grant_connection(1_000, false);
            (1..6).step_by(2).for_each(|stream| windows.open(stream));
            for part in bytes.chunks(cut) {
                written.follow(part, &mut windows);
            }
            check(&mut written, &mut windows, cut);
        }
    }

    #[test]
    fn a_stream_is_open_between_its_head_and_its_end_whatever_the_cuts() {
        let head = frame(HEADERS, END_HEADERS, 1, 20);
        let data = frame(DATA, 0, 1, 300);
        for (frames, expect) in [
            (vec![], SendPath::ViaH2(10)),
            (vec![frame(HEADERS, END_HEADERS, 3, 20)], SendPath::ViaH2(10)),
            (vec![head.clone()], SendPath::Direct(10)),
            (
                vec![frame(HEADERS, 0, 1, 20), frame(CONTINUATION, END_HEADERS, 1, 5)],
                SendPath::Direct(10),
            ),
            (vec![head.clone(), data.clone()], SendPath::Direct(10)),
            (vec![head.clone(), data, frame(DATA, END_STREAM, 1, 0)], SendPath::ViaH2(10)),
            (vec![frame(HEADERS, END_HEADERS | END_STREAM, 1, 20)], SendPath::ViaH2(10)),
            (vec![head, frame(RST_STREAM, 0, 1, 4)], SendPath::ViaH2(10)),
        ] {
            write(&frames, |written, windows, cut| {
                assert!(written.is_between_frames(), "cut by {cut}");
                assert_eq!(windows.claim(1, 10), expect, "{frames:?} cut by {cut}");
            });
        }
    }

    #[test]
    fn resets_are_told_once() {
        let frames = [3, 9, 1, 3].map(|stream| frame(RST_STREAM, 0, stream, 4));
        write(&frames, |written, _, cut| {
            let resets: Vec<u32> = written.take_resets().iter().map(|stream| stream.id).collect();
            assert_eq!(resets, [3, 1], "cut by {cut}");
            assert!(written.take_resets().is_empty());
        });
    }

    #[test]
    fn settings_count_once_they_are_acknowledged() {
        let (mut written, mut windows) = (SentFrames::default(), Windows::new(true));
        windows.announce(Some(7));
        written.follow(&frame(SETTINGS, 0, 0, 6), &mut windows);
        assert_eq!(windows.pending_settings(), 1);
        written.follow(&frame(SETTINGS, ACK, 0, 0), &mut windows);
        assert_eq!(windows.pending_settings(), 0);
    }

    #[test]
    fn no_frame_is_inserted_into_a_frame_or_a_header_block() {
        let (mut written, mut windows) = (SentFrames::default(), Windows::new(true));
        let head = frame(HEADERS, 0, 1, 3);
        let rest = frame(CONTINUATION, END_HEADERS, 1, 3);
        for (at, byte) in [head, rest].concat().into_iter().enumerate() {
            assert_eq!(written.is_between_frames(), at == 0, "before byte {at}");
            written.follow(&[byte], &mut windows);
        }
        assert!(written.is_between_frames());
    }
}

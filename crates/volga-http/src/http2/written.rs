//! What `h2` writes, as far as what goes past it must know. Pure.

use super::frames::{ACK, END_HEADERS, END_STREAM};
use super::frames::{
    CONTINUATION, DATA, HEAD_BYTES, HEADERS, Head, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use super::windows::Windows;

/// Follows the frames of `h2`, however it cuts them.
#[derive(Debug, Default)]
pub(super) struct Written {
    head: [u8; HEAD_BYTES],
    /// How much of a frame's head there is.
    read: usize,
    /// How much is left of its payload.
    skip: usize,
    /// A head of a message goes on in the next frame, and nothing may come between.
    is_in_head: bool,
    resets: Vec<u32>,
    /// What there is so far of the number that widens the client's window, while such a frame is
    /// written.
    increment: Option<u32>,
}

impl Written {
    /// Notes what these bytes say.
    pub(super) fn follow(&mut self, mut bytes: &[u8], windows: &mut Windows) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                self.note_payload(&bytes[..skipped], windows);
                bytes = &bytes[skipped..];
                continue;
            }
            let part = bytes.len().min(HEAD_BYTES - self.read);
            self.head[self.read..][..part].copy_from_slice(&bytes[..part]);
            self.read += part;
            bytes = &bytes[part..];
            if self.read == HEAD_BYTES {
                self.read = 0;
                let head = Head::read(&self.head);
                self.skip = head.length;
                self.note(head, windows);
            }
        }
    }

    fn note(&mut self, head: Head, windows: &mut Windows) {
        let Head { kind, flags, stream, length } = head;
        match kind {
            DATA => windows.written(stream, length as u32),
            HEADERS | CONTINUATION => {
                self.is_in_head = flags & END_HEADERS == 0;
                windows.written_head(stream);
            }
            RST_STREAM if windows.close(stream) => self.resets.push(stream),
            SETTINGS if flags & ACK != 0 => windows.acknowledge(),
            WINDOW_UPDATE if stream == 0 => self.increment = Some(0),
            _ => {}
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            windows.close(stream);
        }
    }

    /// Reads the number of a frame that widens the client's window.
    fn note_payload(&mut self, part: &[u8], windows: &mut Windows) {
        let Some(increment) = &mut self.increment else { return };
        for &byte in part {
            *increment = *increment << 8 | u32::from(byte);
        }
        if self.skip == 0 {
            windows.upload.granted(*increment);
            self.increment = None;
        }
    }

    /// Whether another frame may be written now.
    pub(super) fn is_between_frames(&self) -> bool {
        self.skip == 0 && self.read == 0 && !self.is_in_head
    }

    /// The streams that `h2` has reset. Each is returned once.
    pub(super) fn take_resets(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.resets)
    }
}

#[cfg(test)]
mod tests {
    use super::super::windows::Way;
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, length: usize) -> Vec<u8> {
        // A payload that could be taken for heads.
        [&Head { kind, flags, stream, length }.write()[..], &vec![1; length]].concat()
    }

    /// Lets `h2` write these frames, cut in every way. Returns what is known after each cut.
    fn write(frames: &[Vec<u8>], check: impl Fn(&mut Written, &mut Windows, usize)) {
        let bytes = frames.concat();
        for cut in 1..=bytes.len() {
            let (mut written, mut windows) = (Written::default(), Windows::new());
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
            (vec![], Way::Through(10)),
            (vec![frame(HEADERS, END_HEADERS, 3, 20)], Way::Through(10)),
            (vec![head.clone()], Way::Past(10)),
            (vec![frame(HEADERS, 0, 1, 20), frame(CONTINUATION, END_HEADERS, 1, 5)], Way::Past(10)),
            (vec![head.clone(), data.clone()], Way::Past(10)),
            (vec![head.clone(), data, frame(DATA, END_STREAM, 1, 0)], Way::Through(10)),
            (vec![frame(HEADERS, END_HEADERS | END_STREAM, 1, 20)], Way::Through(10)),
            (vec![head, frame(RST_STREAM, 0, 1, 4)], Way::Through(10)),
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
            assert_eq!(written.take_resets(), [3, 1], "cut by {cut}");
            assert!(written.take_resets().is_empty());
        });
    }

    #[test]
    fn settings_count_once_they_are_acknowledged() {
        let (mut written, mut windows) = (Written::default(), Windows::new());
        windows.announce(Some(7));
        written.follow(&frame(SETTINGS, 0, 0, 6), &mut windows);
        assert_eq!(windows.announced(), 1);
        written.follow(&frame(SETTINGS, ACK, 0, 0), &mut windows);
        assert_eq!(windows.announced(), 0);
    }

    #[test]
    fn nothing_may_come_within_a_frame_or_a_head() {
        let (mut written, mut windows) = (Written::default(), Windows::new());
        let head = frame(HEADERS, 0, 1, 3);
        let rest = frame(CONTINUATION, END_HEADERS, 1, 3);
        for (at, byte) in [head, rest].concat().into_iter().enumerate() {
            assert_eq!(written.is_between_frames(), at == 0, "before byte {at}");
            written.follow(&[byte], &mut windows);
        }
        assert!(written.is_between_frames());
    }
}

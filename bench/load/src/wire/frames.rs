//! Writes and reads HTTP/2 frames by hand, because an attacker sends frames that no HTTP/2 library
//! would send (pure).

use super::Malformed;

/// The connection preface of an HTTP/2 client, which comes before its SETTINGS.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames (RFC 9113, section 6).
pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const PRIORITY: u8 = 0x2;
pub(crate) const RST_STREAM: u8 = 0x3;
pub(crate) const SETTINGS: u8 = 0x4;
pub(crate) const PING: u8 = 0x6;
pub(crate) const GOAWAY: u8 = 0x7;
pub(crate) const WINDOW_UPDATE: u8 = 0x8;
pub(crate) const CONTINUATION: u8 = 0x9;

/// Flags of frames. ACK is a flag of SETTINGS and PING, the others are flags of HEADERS
/// and DATA.
pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;

/// Settings (RFC 9113, section 6.5.2).
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 0x3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 0x4;

/// The error code of a client that no longer wants a response.
pub(crate) const CANCEL: u32 = 0x8;

const HEAD: usize = 9;
/// The maximum size of a frame. The default of HTTP/2 is 16 KiB, and no server sends more unless
/// the client allows it.
const MAX_PAYLOAD: usize = 64 * 1024;

/// Appends one frame.
pub(crate) fn write_frame(to: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    to.extend_from_slice(&length[1..]);
    to.extend_from_slice(&[kind, flags]);
    to.extend_from_slice(&stream.to_be_bytes());
    to.extend_from_slice(payload);
}

/// Appends a SETTINGS frame.
pub(crate) fn write_settings(to: &mut Vec<u8>, settings: &[(u16, u32)]) {
    let mut payload = Vec::with_capacity(settings.len() * 6);
    for (name, value) in settings {
        payload.extend_from_slice(&name.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    write_frame(to, SETTINGS, 0, 0, &payload);
}

/// The header block of a GET request. It adds nothing to the server's dynamic table (RFC 7541).
pub(crate) fn get_block(path: &str) -> Vec<u8> {
    // An entry of the static table (RFC 7541, appendix A): `:method: GET`.
    block(0x82, path)
}

/// The same for a POST request with a body of text.
pub(crate) fn post_block(path: &str) -> Vec<u8> {
    let mut block = block(0x83, path);
    // A literal without indexing, whose name is entry 31 (`content-type`), 15 and 16 more.
    block.extend_from_slice(&[0x0F, 16, 10]);
    block.extend_from_slice(b"text/plain");
    block
}

fn block(method: u8, path: &str) -> Vec<u8> {
    // The second one is `:scheme: http`.
    let mut block = vec![method, 0x86];
    // Literals without indexing, whose names are entries 4 (`:path`) and 1 (`:authority`).
    for (name, value) in [(0x04, path), (0x01, "bench")] {
        // One byte can encode lengths up to 126, and the paths of the rows are shorter.
        block.extend_from_slice(&[name, value.len() as u8]);
        block.extend_from_slice(value.as_bytes());
    }
    block
}

/// A frame from the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: &'a [u8],
}

impl Frame<'_> {
    /// The value of a setting, if this is a SETTINGS frame that has it.
    pub(crate) fn setting(&self, name: u16) -> Option<u32> {
        if self.kind != SETTINGS {
            return None;
        }
        self.payload.chunks_exact(6).find_map(|setting| match *setting {
            [a, b, c, d, e, f] if u16::from_be_bytes([a, b]) == name => {
                Some(u32::from_be_bytes([c, d, e, f]))
            }
            _ => None,
        })
    }
}

/// Finds the frames of one connection, regardless of how the network cut the bytes.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// The beginning of a frame whose end has not come yet.
    rest: Vec<u8>,
}

impl Frames {
    /// Passes on the frames that end within `bytes`.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        mut on_frame: impl FnMut(Frame<'_>),
    ) -> Result<(), Malformed> {
        self.rest.extend_from_slice(bytes);
        let mut used = 0;
        while let Some((frame, length)) = first_frame(&self.rest[used..])? {
            on_frame(frame);
            used += length;
        }
        self.rest.drain(..used);
        Ok(())
    }
}

/// The first frame, and its length including its head; `None` until its end has come.
fn first_frame(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, Malformed> {
    let Some(&[a, b, c, kind, flags, d, e, f, g]) = bytes.first_chunk::<HEAD>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    if length > MAX_PAYLOAD {
        return Err(Malformed::new(format!("an HTTP/2 frame of {length} bytes")));
    }
    let Some(payload) = bytes.get(HEAD..HEAD + length) else { return Ok(None) };
    // The first bit is reserved.
    let stream = u32::from_be_bytes([d & 0x7F, e, f, g]);
    Ok(Some((Frame { kind, flags, stream, payload }, HEAD + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_its_length_kind_flags_and_stream_before_its_payload() {
        let mut wire = Vec::new();
        write_frame(&mut wire, RST_STREAM, 0, 5, &CANCEL.to_be_bytes());
        assert_eq!(wire, [0, 0, 4, 3, 0, 0, 0, 0, 5, 0, 0, 0, 8]);
        wire.clear();
        write_settings(&mut wire, &[(INITIAL_WINDOW_SIZE, 0)]);
        assert_eq!(wire, [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    }

    #[test]
    fn a_request_names_its_method_scheme_path_and_authority() {
        assert_eq!(get_block("/a"), *b"\x82\x86\x04\x02/a\x01\x05bench");
    }

    #[test]
    fn frames_that_were_written_are_read_on_any_cut() {
        let mut wire = Vec::new();
        let settings = [(INITIAL_WINDOW_SIZE, 0), (MAX_CONCURRENT_STREAMS, 200)];
        write_settings(&mut wire, &settings);
        write_frame(&mut wire, HEADERS, END_HEADERS, 7, &get_block("/plaintext"));
        write_frame(&mut wire, SETTINGS, ACK, 0, &[]);
        for size in 1..=wire.len() {
            let mut frames = Frames::default();
            let mut seen = Vec::new();
            for part in wire.chunks(size) {
                let on_frame = |frame: Frame<'_>| {
                    let limit = frame.setting(MAX_CONCURRENT_STREAMS);
                    seen.push((frame.kind, frame.flags, frame.stream, frame.payload.len(), limit));
                };
                frames.feed(part, on_frame).expect("frames of ours");
            }
            let expected = [
                (SETTINGS, 0, 0, 12, Some(200)),
                (HEADERS, END_HEADERS, 7, get_block("/plaintext").len(), None),
                (SETTINGS, ACK, 0, 0, None),
            ];
            assert_eq!(seen, expected, "in parts of {size}");
        }
    }

    #[test]
    fn bytes_that_are_not_http2_are_malformed() {
        let mut frames = Frames::default();
        assert!(frames.feed(b"HTTP/1.1 400 Bad Request\r\n", |_| ()).is_err());
    }
}

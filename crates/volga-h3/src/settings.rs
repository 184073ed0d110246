//! The SETTINGS frame (RFC 9114, section 7.2.4). Pure.

use crate::code::Code;
use crate::frame;
use crate::limits::{MAX_HEAD_BYTES, SETTINGS_MAX};
use crate::varint;

const MAX_FIELD_SECTION_SIZE: u64 = 0x06;
/// Clients may send an extended CONNECT, such as for a WebSocket (RFC 9220, section 3).
const ENABLE_CONNECT_PROTOCOL: u64 = 0x08;
/// A setting that has no meaning, so that clients do not forget to ignore those (RFC 9114, section
/// 7.2.4.1).
const RESERVED: u64 = 0x1f * 7 + 0x21;

/// The settings of a server that accepts WebTransport sessions.
///
/// Chromium and Firefox look for `ENABLE_WEBTRANSPORT` of draft 02, Safari for the number of
/// sessions of draft 13, and newer clients for the setting of draft 15. From draft 13 on, more than
/// one session at a time would need capsules for flow control, so those clients may open one. The
/// first number for `H3_DATAGRAM` is that of RFC 9297, and the second one that of its draft 04.
const WEBTRANSPORT: [(u64, u64); 5] =
    [(0x33, 1), (0xff_d277, 1), (0x2b60_3742, 1), (0x14e9_cd29, 1), (0x2c7c_f000, 1)];

/// The beginning of the server's control stream: its type and the SETTINGS frame.
pub(crate) fn control_stream_head(has_webtransport: bool) -> Vec<u8> {
    let mut payload = Vec::new();
    let settings = [
        (MAX_FIELD_SECTION_SIZE, u64::from(MAX_HEAD_BYTES)),
        (ENABLE_CONNECT_PROTOCOL, 1),
        (RESERVED, 0),
    ];
    let webtransport = WEBTRANSPORT.into_iter().filter(|_| has_webtransport);
    for (setting, value) in settings.into_iter().chain(webtransport) {
        varint::write(setting, &mut payload);
        varint::write(value, &mut payload);
    }
    let mut out = vec![crate::streams::CONTROL as u8];
    frame::write_header(frame::SETTINGS, payload.len(), &mut out);
    out.extend_from_slice(&payload);
    out
}

/// A GOAWAY frame: requests on this stream and later ones will not be served.
pub(crate) fn goaway(stream: u64) -> Vec<u8> {
    let mut payload = Vec::new();
    varint::write(stream, &mut payload);
    let mut out = Vec::new();
    frame::write_header(frame::GOAWAY, payload.len(), &mut out);
    out.extend_from_slice(&payload);
    out
}

/// The settings of the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ClientSettings {
    /// The largest head that the client accepts.
    pub(crate) max_field_section_size: u64,
}

impl ClientSettings {
    /// The settings that apply until those of the client arrive.
    pub(crate) const DEFAULT: Self = Self { max_field_section_size: varint::MAX };

    /// Reads the payload of the client's SETTINGS frame.
    pub(crate) fn parse(mut payload: &[u8]) -> Result<Self, Code> {
        let mut settings = Self::DEFAULT;
        let mut seen = Vec::new();
        while !payload.is_empty() {
            let (setting, first) = varint::read(payload).ok_or(Code::FRAME_ERROR)?;
            let (value, second) = varint::read(&payload[first..]).ok_or(Code::FRAME_ERROR)?;
            payload = &payload[first + second..];
            // A setting must not come twice, and those of HTTP/2 must not come at all. The frame
            // has a limited size, so the search does not take long.
            if seen.contains(&setting) || matches!(setting, 0x02..=0x05) {
                return Err(Code::SETTINGS_ERROR);
            }
            seen.push(setting);
            if setting == MAX_FIELD_SECTION_SIZE {
                settings.max_field_section_size = value;
            }
        }
        Ok(settings)
    }
}

const _: () = assert!(SETTINGS_MAX <= 4096, "`ClientSettings::parse` searches in a list");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_head_is_read_and_unknown_settings_are_ignored() {
        assert_eq!(ClientSettings::parse(&[]), Ok(ClientSettings::DEFAULT));
        let settings = ClientSettings::parse(&[0x01, 0x10, 0x21, 0x00, 0x06, 0x3f, 0x33, 0x01]);
        assert_eq!(settings, Ok(ClientSettings { max_field_section_size: 0x3f }));
    }

    #[test]
    fn a_setting_that_comes_twice_or_belongs_to_http2_is_an_error() {
        for payload in [[0x06, 1, 0x06, 1], [0x21, 0, 0x21, 0], [0x02, 0, 0x06, 1], [0x05, 0, 6, 1]]
        {
            assert_eq!(ClientSettings::parse(&payload), Err(Code::SETTINGS_ERROR), "{payload:?}");
        }
        assert_eq!(ClientSettings::parse(&[0x06]), Err(Code::FRAME_ERROR));
        assert_eq!(ClientSettings::parse(&[0x06, 0x40]), Err(Code::FRAME_ERROR));
    }

    #[test]
    fn the_server_s_own_frames_can_be_read() {
        for has_webtransport in [false, true] {
            let head = control_stream_head(has_webtransport);
            let mut reader = frame::FrameReader::new(SETTINGS_MAX);
            reader.feed(bytes::Bytes::from(head[1..].to_vec()));
            let Ok(Some(frame::Piece::Whole { kind: frame::SETTINGS, payload })) = reader.next()
            else {
                panic!("SETTINGS come first")
            };
            let settings = ClientSettings::parse(&payload).expect("valid");
            assert_eq!(settings.max_field_section_size, u64::from(MAX_HEAD_BYTES));
        }
        assert_eq!(goaway(4), [0x07, 1, 4]);
    }
}

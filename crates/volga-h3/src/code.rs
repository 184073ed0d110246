//! The error codes of HTTP/3, QPACK and datagrams (RFC 9114, section 8.1, RFC 9204, section 6, and
//! RFC 9297, section 5.2).

use quinn::VarInt;

/// Why a connection or a stream ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Code(u32);

impl Code {
    pub(crate) const DATAGRAM_ERROR: Self = Self(0x33);
    pub(crate) const NO_ERROR: Self = Self(0x100);
    pub(crate) const INTERNAL_ERROR: Self = Self(0x102);
    pub(crate) const STREAM_CREATION_ERROR: Self = Self(0x103);
    pub(crate) const CLOSED_CRITICAL_STREAM: Self = Self(0x104);
    pub(crate) const FRAME_UNEXPECTED: Self = Self(0x105);
    pub(crate) const FRAME_ERROR: Self = Self(0x106);
    pub(crate) const EXCESSIVE_LOAD: Self = Self(0x107);
    pub(crate) const ID_ERROR: Self = Self(0x108);
    pub(crate) const SETTINGS_ERROR: Self = Self(0x109);
    pub(crate) const MISSING_SETTINGS: Self = Self(0x10a);
    pub(crate) const REQUEST_REJECTED: Self = Self(0x10b);
    pub(crate) const REQUEST_CANCELLED: Self = Self(0x10c);
    pub(crate) const REQUEST_INCOMPLETE: Self = Self(0x10d);
    pub(crate) const MESSAGE_ERROR: Self = Self(0x10e);
    pub(crate) const QPACK_DECOMPRESSION_FAILED: Self = Self(0x200);
    pub(crate) const QPACK_ENCODER_STREAM_ERROR: Self = Self(0x201);

    /// A code of an extension.
    pub(crate) const fn new(code: u32) -> Self {
        Self(code)
    }
}

impl From<Code> for VarInt {
    fn from(code: Code) -> Self {
        Self::from_u32(code.0)
    }
}

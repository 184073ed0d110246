//! The types of unidirectional streams (RFC 9114, section 6.2, and RFC 9204, section 4.2).

pub(crate) const CONTROL: u64 = 0x00;
pub(crate) const PUSH: u64 = 0x01;
pub(crate) const QPACK_ENCODER: u64 = 0x02;
pub(crate) const QPACK_DECODER: u64 = 0x03;

/// A stream of a WebTransport session (draft-ietf-webtrans-http3).
pub(crate) const WEBTRANSPORT: u64 = 0x54;

//! Detects the protocol from the first bytes of a connection. Pure.

/// The bytes that an HTTP/2 client with prior knowledge sends first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A protocol that the server speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    /// The protocol with this ALPN name (RFC 7301). `None` for any other name: then the first bytes
    /// decide.
    pub(crate) fn from_alpn(name: &[u8]) -> Option<Self> {
        match name {
            b"h2" => Some(Self::Http2),
            b"http/1.1" | b"http/1.0" => Some(Self::Http1),
            _ => None,
        }
    }
}

/// Detects the protocol from all bytes received so far. `None` while they are an incomplete
/// preface.
///
/// The first byte that differs from the preface decides, because no request may wait for bytes that
/// its client never sends.
pub(crate) fn detect(received: &[u8]) -> Option<Protocol> {
    let compared = received.len().min(PREFACE.len());
    if received[..compared] != PREFACE[..compared] {
        Some(Protocol::Http1)
    } else if compared == PREFACE.len() {
        Some(Protocol::Http2)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_preface_is_undecided() {
        for end in 0..PREFACE.len() {
            assert_eq!(detect(&PREFACE[..end]), None, "{end} bytes");
        }
    }

    #[test]
    fn the_whole_preface_is_http2_whatever_follows() {
        assert_eq!(detect(PREFACE), Some(Protocol::Http2));
        assert_eq!(detect(&[&PREFACE[..], b"\0\0\0"].concat()), Some(Protocol::Http2));
    }

    #[test]
    fn the_first_byte_that_differs_decides_for_http1() {
        for at in 0..PREFACE.len() {
            let mut bytes = PREFACE[..=at].to_vec();
            bytes[at] ^= 1;
            assert_eq!(detect(&bytes), Some(Protocol::Http1), "byte {at}");
        }
        for request in ["GET / HTTP/1.1\r\n", "P", "POST", "PRI * HTTP/1.1\r\n"] {
            let expect = (request != "P").then_some(Protocol::Http1);
            assert_eq!(detect(request.as_bytes()), expect, "{request}");
        }
    }
}

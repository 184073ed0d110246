//! Decodes an HTTP/1 response: its head, and the end of its body (pure).

use super::{Malformed, chunked::Chunked};

/// The maximum size of a head, which is more than any head here has.
const MAX_HEAD: usize = 8 * 1024;

/// Reads a response, regardless of how the network cut the bytes.
#[derive(Debug)]
pub(crate) struct Response {
    body: Body,
    /// The beginning of a head whose end has not come yet.
    head: Vec<u8>,
}

#[derive(Debug)]
enum Body {
    Unknown,
    Sized(usize),
    Chunked(Chunked),
    UntilClose,
}

impl Response {
    pub(crate) fn new() -> Self {
        Self { body: Body::Unknown, head: Vec::new() }
    }

    /// Passes on the content in `bytes`, and returns how many of the bytes belong to this response.
    ///
    /// A status other than 200 to 299 counts as malformed, because the load requests only what
    /// exists.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        on_content: impl FnMut(&[u8]) -> Result<(), Malformed>,
    ) -> Result<usize, Malformed> {
        if self.has_head() {
            return self.feed_body(bytes, on_content);
        }
        // In most cases the head comes in one piece, and is read without copying it.
        if self.head.is_empty() {
            let Some((body, length)) = parse_head(bytes)? else {
                self.head.extend_from_slice(bytes);
                return Ok(bytes.len());
            };
            self.body = body;
            return Ok(length + self.feed_body(&bytes[length..], on_content)?);
        }
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let Some((body, length)) = parse_head(&self.head)? else {
            return Ok(bytes.len());
        };
        self.body = body;
        self.head = Vec::new();
        let here = length - before;
        Ok(here + self.feed_body(&bytes[here..], on_content)?)
    }

    pub(crate) fn has_head(&self) -> bool {
        !matches!(self.body, Body::Unknown)
    }

    /// Whether the end of the body was read. This is never true for a body that ends with the
    /// connection.
    pub(crate) fn is_complete(&self) -> bool {
        match &self.body {
            Body::Unknown | Body::UntilClose => false,
            Body::Sized(left) => *left == 0,
            Body::Chunked(chunked) => chunked.is_complete(),
        }
    }

    fn feed_body(
        &mut self,
        bytes: &[u8],
        mut on_content: impl FnMut(&[u8]) -> Result<(), Malformed>,
    ) -> Result<usize, Malformed> {
        match &mut self.body {
            Body::Unknown => Ok(0),
            Body::Sized(left) => {
                let here = bytes.len().min(*left);
                on_content(&bytes[..here])?;
                *left -= here;
                Ok(here)
            }
            Body::Chunked(chunked) => chunked.feed(bytes, on_content),
            Body::UntilClose => {
                on_content(bytes)?;
                Ok(bytes.len())
            }
        }
    }
}

/// The kind of the body, and the length of the head; `None` until the end of the head has come.
fn parse_head(bytes: &[u8]) -> Result<Option<(Body, usize)>, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let parsed = head.parse(bytes);
    let length = match parsed.map_err(|error| Malformed::new(format!("a response: {error}")))? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial if bytes.len() > MAX_HEAD => {
            return Err(Malformed::new(format!("a head of more than {MAX_HEAD} bytes")));
        }
        httparse::Status::Partial => return Ok(None),
    };
    let status = head.code.unwrap_or(0);
    if !(200..300).contains(&status) {
        return Err(Malformed::new(format!("status {status}")));
    }
    let value_of = |name: &str| {
        head.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    };
    let body = if status == 204 {
        Body::Sized(0)
    } else if value_of("transfer-encoding")
        .is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"))
    {
        Body::Chunked(Chunked::default())
    } else if let Some(value) = value_of("content-length") {
        let length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        Body::Sized(length.ok_or_else(|| Malformed::new("a content-length that is not a number"))?)
    } else {
        Body::UntilClose
    };
    Ok(Some((body, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The content must not depend on how the network cut the bytes, so the test tries every cut.
    #[track_caller]
    fn check(wire: &str, content: &str, complete: bool) {
        for size in 1..=wire.len() {
            let mut response = Response::new();
            let mut found = Vec::new();
            for part in wire.as_bytes().chunks(size) {
                let used = response.feed(part, |bytes| {
                    found.extend_from_slice(bytes);
                    Ok(())
                });
                assert_eq!(used, Ok(part.len()), "in parts of {size}");
            }
            assert_eq!(String::from_utf8_lossy(&found), content, "in parts of {size}");
            assert_eq!(response.is_complete(), complete, "in parts of {size}");
        }
    }

    #[test]
    fn the_head_says_where_the_body_ends() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", true);
        check(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "ok",
            true,
        );
        check("HTTP/1.1 204 No Content\r\n\r\n", "", true);
        check("HTTP/1.1 200 OK\r\n\r\nok", "ok", false);
        check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", "ok", false);
    }

    #[test]
    fn pipelined_responses_are_told_apart() {
        let mut response = Response::new();
        let used = response.feed(b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204", |_| Ok(()));
        assert_eq!(used, Ok(27));
        assert!(response.is_complete());
    }

    #[test]
    fn an_error_of_the_server_is_malformed() {
        for wire in [
            "HTTP/1.1 404 Not Found\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "HTCPCP/1\r\n\r\n",
        ] {
            assert!(Response::new().feed(wire.as_bytes(), |_| Ok(())).is_err(), "{wire:?}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(MAX_HEAD));
        assert!(Response::new().feed(endless.as_bytes(), |_| Ok(())).is_err());
    }
}

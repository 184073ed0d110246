//! Finds the events in the bytes of a stream (pure).
//!
//! The decoder knows only the forms that the servers here write, and takes everything else for
//! malformed: lines end with LF, an event has one line of data, and a reconnection time comes
//! before the data.

use super::Malformed;

/// The maximum number of bytes without a blank line. It is more than any message of ours has, so a
/// longer stream has lost a blank line.
const MAX_REST: usize = 16 * 1024;

/// An event of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event<'a> {
    /// The data of a complete event, whose blank line has come.
    Data(&'a [u8]),
    /// The reconnection time, in milliseconds. It takes effect at the end of its line, before any
    /// blank line.
    Retry(u64),
}

/// A consumer of the events of all streams.
pub(crate) trait Take {
    /// Takes an event of a stream. `wire` has the bytes from which it was read, up to the end of
    /// the line that completes it.
    ///
    /// # Errors
    ///
    /// Fails when the stream should not have got this event.
    fn take(&mut self, stream: usize, event: Event<'_>, wire: &[u8]) -> Result<(), Malformed>;

    /// Takes the events at the beginning of `bytes` that equal bytes read before, and returns their
    /// length. Everything before `bytes` has been read, so equal bytes are equal events.
    fn recognise(&mut self, _stream: usize, _bytes: &[u8]) -> usize {
        0
    }
}

impl<F: FnMut(usize, Event<'_>) -> Result<(), Malformed>> Take for F {
    fn take(&mut self, stream: usize, event: Event<'_>, _wire: &[u8]) -> Result<(), Malformed> {
        self(stream, event)
    }
}

/// Ignores events. For rows in which only the heads and the ends of streams matter.
pub(crate) fn ignore(_stream: usize, _event: Event<'_>) -> Result<(), Malformed> {
    Ok(())
}

/// Finds the events of one stream, regardless of how the network cut the bytes.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// The beginning of an event whose end has not come yet. The buffer keeps its memory, so
    /// reading allocates at most once for each stream.
    rest: Vec<u8>,
}

impl Events {
    /// Passes on the events of this stream that end within `bytes`.
    pub(crate) fn feed(
        &mut self,
        stream: usize,
        bytes: &[u8],
        taker: &mut impl Take,
    ) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            let used = take(stream, bytes, taker)?;
            self.rest.extend_from_slice(&bytes[used..]);
        } else {
            self.rest.extend_from_slice(bytes);
            let used = take(stream, &self.rest, taker)?;
            self.rest.drain(..used);
        }
        if self.rest.len() > MAX_REST {
            return Err(Malformed::new(format!("{MAX_REST} bytes without a blank line")));
        }
        Ok(())
    }
}

/// Passes on the complete events, and returns the number of their bytes.
fn take(stream: usize, bytes: &[u8], taker: &mut impl Take) -> Result<usize, Malformed> {
    let mut used = 0;
    while used < bytes.len() {
        used += taker.recognise(stream, &bytes[used..]);
        if used == bytes.len() {
            break;
        }
        let (length, is_whole) = read_one(stream, &bytes[used..], taker)?;
        used += length;
        if !is_whole {
            break;
        }
    }
    Ok(used)
}

/// Passes on everything up to the end of the first event with data. Returns how many bytes are
/// finished, and whether the end of that event was there.
fn read_one(
    stream: usize,
    bytes: &[u8],
    taker: &mut impl Take,
) -> Result<(usize, bool), Malformed> {
    let mut used = 0;
    // Where the event begins. Lines that end with a blank line before it, such as a heartbeat, do
    // not belong to it.
    let mut begin = 0;
    let mut line_begin = 0;
    let mut data = None;
    while let Some(length) = memchr::memchr(b'\n', &bytes[line_begin..]) {
        let line = &bytes[line_begin..line_begin + length];
        line_begin += length + 1;
        if line.is_empty() {
            if let Some(data) = data {
                taker.take(stream, Event::Data(data), &bytes[begin..line_begin])?;
                return Ok((line_begin, true));
            }
            begin = line_begin;
        } else {
            match (field(line)?, data) {
                (Field::Data(value), None) => data = Some(value),
                (Field::Retry(time), None) => {
                    taker.take(stream, Event::Retry(time), &bytes[begin..line_begin])?;
                }
                (Field::Other, _) => {}
                (Field::Data(_) | Field::Retry(_), Some(_)) => return Err(malformed(line)),
            }
        }
        // A line is finished if no data came before it. After data, the whole event is read again
        // once its end has come.
        if data.is_none() {
            used = line_begin;
        }
    }
    Ok((used, false))
}

enum Field<'a> {
    Data(&'a [u8]),
    Retry(u64),
    /// A comment, an event name, or an ID.
    Other,
}

fn field(line: &[u8]) -> Result<Field<'_>, Malformed> {
    if line.ends_with(b"\r") {
        return Err(malformed(line));
    }
    // The form of most lines.
    if let Some(value) = line.strip_prefix(b"data: ") {
        return Ok(Field::Data(value));
    }
    let (name, value) = match memchr::memchr(b':', line) {
        Some(colon) => {
            let value = &line[colon + 1..];
            (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
        }
        None => (line, &[][..]),
    };
    match name {
        b"data" => Ok(Field::Data(value)),
        b"retry" => {
            let time = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            time.map(Field::Retry).ok_or_else(|| malformed(line))
        }
        b"" | b"id" | b"event" => Ok(Field::Other),
        _ => Err(malformed(line)),
    }
}

fn malformed(line: &[u8]) -> Malformed {
    Malformed::new(format!("a line that no server here writes: `{}`", line.escape_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events must not depend on how the network cut the bytes, so the test tries every cut.
    #[track_caller]
    fn check(wire: &str, expect: &[Event<'_>]) {
        for size in 1..=wire.len() {
            let mut events = Events::default();
            let mut found = 0;
            for part in wire.as_bytes().chunks(size) {
                let fed = events.feed(0, part, &mut |_: usize, event: Event<'_>| {
                    assert_eq!(Some(&event), expect.get(found), "in parts of {size}");
                    found += 1;
                    Ok(())
                });
                assert_eq!(fed, Ok(()), "in parts of {size}");
            }
            assert_eq!(found, expect.len(), "in parts of {size}");
        }
    }

    #[test]
    fn an_event_is_what_a_blank_line_ends() {
        let expect = [Event::Data(b"a"), Event::Data(b"b")];
        check("data: a\n\ndata:b\nid: 7\n\ndata: cut\n", &expect);
    }

    #[test]
    fn comments_are_no_events() {
        let expect = [Event::Data(b"a"), Event::Data(b"")];
        check(":\n:\ndata: a\n\n: hi\n\n\nid: 1\n\ndata\n\n", &expect);
    }

    #[test]
    fn a_reconnection_time_takes_effect_with_its_line() {
        let expect = [Event::Retry(3000), Event::Retry(9), Event::Data(b"bye"), Event::Retry(7)];
        check("retry: 3000\n\nretry: 9\ndata: bye\n\nretry: 7\n", &expect);
    }

    #[test]
    fn lines_that_no_server_writes_are_malformed() {
        for wire in [
            "data: a\r\n",
            "data: a\ndata: b\n",
            "data: a\nretry: 1\n",
            "retry: soon\n",
            "date: a\n",
            "data: a\ndate: a\n",
        ] {
            assert!(Events::default().feed(0, wire.as_bytes(), &mut ignore).is_err(), "{wire:?}");
        }
        let endless = vec![b'a'; MAX_REST + 1];
        assert!(Events::default().feed(0, &endless, &mut ignore).is_err());
    }
}

//! Events in the bytes of a stream (pure). Only what the servers here write is understood, and everything else is malformed: lines end with LF, an
//! event has one line of data, and a reconnection time stands before the data.

use super::Malformed;

/// More than any message of ours: a stream that goes on for so long without a blank line has lost one.
const MAX_REST: usize = 16 * 1024;

/// What a client learns from a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event<'a> {
    /// The data of an event that is complete: its blank line has come.
    Data(&'a [u8]),
    /// The reconnection time, in milliseconds. It takes effect with its line, before any blank line.
    Retry(u64),
}

/// Finds the events of one stream, however the network cut them.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// The beginning of an event whose end is still to come. It keeps its memory, so reading allocates once a stream at most.
    rest: Vec<u8>,
}

impl Events {
    /// Hands on the events that end within `bytes`.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        mut on_event: impl FnMut(Event<'_>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            let used = take(bytes, &mut on_event)?;
            self.rest.extend_from_slice(&bytes[used..]);
        } else {
            self.rest.extend_from_slice(bytes);
            let used = take(&self.rest, &mut on_event)?;
            self.rest.drain(..used);
        }
        if self.rest.len() > MAX_REST {
            return Err(Malformed::new(format!("{MAX_REST} bytes without a blank line")));
        }
        Ok(())
    }
}

/// Hands on what is whole, and returns how many bytes that was.
fn take(
    bytes: &[u8],
    on_event: &mut impl FnMut(Event<'_>) -> Result<(), Malformed>,
) -> Result<usize, Malformed> {
    let mut used = 0;
    let mut line_begin = 0;
    let mut data = None;
    for line_end in memchr::memchr_iter(b'\n', bytes) {
        let line = &bytes[line_begin..line_end];
        line_begin = line_end + 1;
        if line.is_empty() {
            if let Some(data) = data.take() {
                on_event(Event::Data(data))?;
            }
        } else {
            match (field(line)?, data) {
                (Field::Data(value), None) => data = Some(value),
                (Field::Retry(time), None) => on_event(Event::Retry(time))?,
                (Field::Other, _) => {}
                (Field::Data(_) | Field::Retry(_), Some(_)) => return Err(malformed(line)),
            }
        }
        // A line without data before it is done with. With data, all of the event is read again once its end is there.
        if data.is_none() {
            used = line_begin;
        }
    }
    Ok(used)
}

enum Field<'a> {
    Data(&'a [u8]),
    Retry(u64),
    /// A comment, a name, an ID.
    Other,
}

fn field(line: &[u8]) -> Result<Field<'_>, Malformed> {
    if line.ends_with(b"\r") {
        return Err(malformed(line));
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

    /// The events must not depend on how the network cut the bytes, so every cut is tried.
    #[track_caller]
    fn check(wire: &str, expect: &[Event<'_>]) {
        for size in 1..=wire.len() {
            let mut events = Events::default();
            let mut found = 0;
            for part in wire.as_bytes().chunks(size) {
                let fed = events.feed(part, |event| {
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
    fn what_no_server_writes_is_malformed() {
        for wire in [
            "data: a\r\n",
            "data: a\ndata: b\n",
            "data: a\nretry: 1\n",
            "retry: soon\n",
            "date: a\n",
            "data: a\ndate: a\n",
        ] {
            assert!(Events::default().feed(wire.as_bytes(), |_| Ok(())).is_err(), "{wire:?}");
        }
        let endless = vec![b'a'; MAX_REST + 1];
        assert!(Events::default().feed(&endless, |_| Ok(())).is_err());
    }
}

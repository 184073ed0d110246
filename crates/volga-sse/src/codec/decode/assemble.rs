//! From chunks to lines, and from lines to events. Pure.

use std::{mem, ops::Range};

use memchr::memchr2;

use super::{
    DEFAULT_MAX_EVENT, DEFAULT_MAX_ID, DEFAULT_MAX_LINE, DecodeError,
    head::Head,
    line::{FieldName, field_of},
};

/// A buffer with more capacity than this is freed once the events are much smaller again.
pub(super) const KEPT_CAPACITY: usize = 64 * 1024;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The maximum bytes of a line, of an event's data and of an event ID.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) line: usize,
    pub(super) event: usize,
    pub(super) id: usize,
}

/// The event that is being assembled, wherever the network cut it.
#[derive(Clone)]
pub(super) struct Assembly {
    pub(super) limits: Limits,
    pub(super) head: Head,
    /// The bytes that had to be kept between chunks: the data of the event so far, then the line
    /// whose end has not come yet.
    pub(super) buffer: Vec<u8>,
    /// The range of `buffer` that holds the data, from its first line on. A kept line becomes data
    /// where it lies, so its field name may stand before the range.
    data: Option<Range<usize>>,
    /// Whether the first line has not ended yet. It may start with a byte order mark.
    at_start: bool,
    /// Whether the last chunk ended with CR. An LF that comes next belongs to it.
    after_cr: bool,
}

/// The data of a complete event, by the place where it lies.
pub(super) enum EventData<'c> {
    InChunk(&'c [u8]),
    InBuffer(Range<usize>),
}

impl Assembly {
    pub(super) const fn new() -> Self {
        Self {
            limits: Limits { line: DEFAULT_MAX_LINE, event: DEFAULT_MAX_EVENT, id: DEFAULT_MAX_ID },
            head: Head::new(),
            buffer: Vec::new(),
            data: None,
            at_start: true,
            after_cr: false,
        }
    }

    /// Reads lines up to the end of an event, or of the chunk.
    pub(super) fn find<'c>(
        &mut self,
        chunk: &mut &'c [u8],
    ) -> Result<Option<EventData<'c>>, DecodeError> {
        if self.after_cr && !chunk.is_empty() {
            self.after_cr = false;
            *chunk = chunk.strip_prefix(b"\n").unwrap_or(chunk);
        }
        // The data, while it is one line that lies in this chunk. Most events are like that, so
        // their data is not copied.
        let mut in_chunk = None;
        loop {
            let Some(end) = line_end(chunk) else {
                self.keep_data(&mut in_chunk);
                self.check_line(self.kept_line() + chunk.len())?;
                self.buffer.extend_from_slice(mem::take(chunk));
                return Ok(None);
            };
            let (line, rest) = chunk.split_at(end);
            *chunk = match rest {
                [b'\r', b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                rest => &rest[1..],
            };

            let blank = if self.kept_line() == 0 {
                self.end_line(line, &mut in_chunk)?
            } else {
                self.end_kept_line(line)?
            };
            if blank {
                self.head.end_block();
                let in_buffer = || self.data.take().map(EventData::InBuffer);
                if let Some(found) = in_chunk.take().map(EventData::InChunk).or_else(in_buffer) {
                    return Ok(Some(found));
                }
                self.head.event.clear();
            }
        }
    }

    /// Handles a line that lies in the chunk. Returns whether it is blank.
    #[inline]
    fn end_line<'c>(
        &mut self,
        line: &'c [u8],
        in_chunk: &mut Option<&'c [u8]>,
    ) -> Result<bool, DecodeError> {
        self.check_line(line.len())?;
        let line = if mem::take(&mut self.at_start) {
            line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
        } else {
            line
        };
        match field_of(line) {
            None => return Ok(line.is_empty()),
            Some((FieldName::Data, at)) => {
                let value = &line[at..];
                self.keep_data(in_chunk);
                match &mut self.data {
                    None => {
                        check_event(value.len(), self.limits.event)?;
                        *in_chunk = Some(value);
                    }
                    Some(data) => {
                        check_event(data.len() + 1 + value.len(), self.limits.event)?;
                        self.buffer.push(b'\n');
                        self.buffer.extend_from_slice(value);
                        data.end = self.buffer.len();
                    }
                }
            }
            Some((field, at)) => self.head.set(field, &line[at..], self.limits.id)?,
        }
        Ok(false)
    }

    /// Handles a line whose start was kept from an earlier chunk. Returns whether it is blank.
    fn end_kept_line(&mut self, rest: &[u8]) -> Result<bool, DecodeError> {
        self.check_line(self.kept_line() + rest.len())?;
        self.buffer.extend_from_slice(rest);

        let mut start = self.data_end();
        if mem::take(&mut self.at_start) && self.buffer[start..].starts_with(BYTE_ORDER_MARK) {
            start += BYTE_ORDER_MARK.len();
        }
        let line = &self.buffer[start..];
        let blank = line.is_empty();
        match field_of(line) {
            Some((FieldName::Data, at)) => {
                let value = start + at..self.buffer.len();
                match &mut self.data {
                    None => {
                        check_event(value.len(), self.limits.event)?;
                        self.data = Some(value);
                    }
                    Some(data) => {
                        check_event(data.len() + 1 + value.len(), self.limits.event)?;
                        // The value moves down to the data before it, over the name of the field.
                        self.buffer[data.end] = b'\n';
                        self.buffer.copy_within(value.clone(), data.end + 1);
                        data.end += 1 + value.len();
                    }
                }
            }
            Some((field, at)) => self.head.set(field, &line[at..], self.limits.id)?,
            None => {}
        }
        self.buffer.truncate(self.data_end());
        Ok(blank)
    }

    /// Moves the data out of the chunk, because the chunk ends or a second line of data follows.
    #[inline]
    fn keep_data(&mut self, in_chunk: &mut Option<&[u8]>) {
        if let Some(value) = in_chunk.take() {
            self.buffer.extend_from_slice(value);
            self.data = Some(0..value.len());
        }
    }

    /// The index in the buffer where the data ends, and therefore a kept line starts.
    fn data_end(&self) -> usize {
        self.data.as_ref().map_or(0, |data| data.end)
    }

    /// The bytes of the kept line.
    fn kept_line(&self) -> usize {
        self.buffer.len() - self.data_end()
    }

    fn check_line(&self, len: usize) -> Result<(), DecodeError> {
        let max = self.limits.line;
        if len > max { Err(DecodeError::LineTooLong { max }) } else { Ok(()) }
    }

    /// Prepares for the next event, once the caller no longer uses this one. The buffer stays,
    /// unless it is large and this event used little of it.
    pub(super) fn clear(&mut self) {
        let capacity = self.buffer.capacity();
        if capacity > KEPT_CAPACITY && self.buffer.len() < capacity / 8 {
            // Otherwise a rare large event would hold its memory for as long as the connection
            // lasts.
            self.buffer = Vec::new();
        }
        self.buffer.clear();
        self.data = None;
        self.head.event.clear();
    }

    /// Prepares for the next connection.
    pub(super) fn restart(&mut self) {
        self.clear();
        self.head.abandon_block();
        self.at_start = true;
        self.after_cr = false;
    }
}

#[inline]
fn line_end(chunk: &[u8]) -> Option<usize> {
    match chunk.first() {
        // Each event has a blank line, for which a search would be wasted.
        Some(b'\n' | b'\r') => Some(0),
        _ => memchr2(b'\n', b'\r', chunk),
    }
}

fn check_event(len: usize, max: usize) -> Result<(), DecodeError> {
    if len > max { Err(DecodeError::EventTooLong { max }) } else { Ok(()) }
}

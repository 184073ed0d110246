//! From chunks to lines, and from lines to events. Pure.

use std::{mem, ops::Range};

use memchr::memchr2;

use super::{
    DEFAULT_MAX_EVENT, DEFAULT_MAX_ID, DEFAULT_MAX_LINE, DecodeError,
    head::Head,
    line::{FieldName, field_of},
};

/// A buffer larger than this is given back once the events are much smaller again.
pub(super) const KEPT_CAPACITY: usize = 64 * 1024;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How many bytes each may have.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) line: usize,
    pub(super) event: usize,
    pub(super) id: usize,
}

/// The event that is being put together, wherever the network cut it.
#[derive(Clone)]
pub(super) struct Assembly {
    pub(super) limits: Limits,
    pub(super) head: Head,
    /// What had to be kept between chunks: the data of the event so far, then the line whose end is not there yet.
    pub(super) buffer: Vec<u8>,
    /// Where in `buffer` the data is, from its first line on. A line that was kept becomes data where it lies, so its name may stand before.
    data: Option<Range<usize>>,
    /// The first line, which may start with a byte order mark, has not ended yet.
    at_start: bool,
    /// The last chunk ended with CR. An LF that comes next belongs to it.
    after_cr: bool,
}

/// The data of an event that is complete, and where it lies.
pub(super) enum Data<'c> {
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
    ) -> Result<Option<Data<'c>>, DecodeError> {
        if self.after_cr && !chunk.is_empty() {
            self.after_cr = false;
            *chunk = chunk.strip_prefix(b"\n").unwrap_or(chunk);
        }
        // The data, for as long as it is one line that lies in this chunk: most events are, and so are not copied.
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
                let in_buffer = || self.data.take().map(Data::InBuffer);
                if let Some(found) = in_chunk.take().map(Data::InChunk).or_else(in_buffer) {
                    return Ok(Some(found));
                }
                self.head.event.clear();
            }
        }
    }

    /// Takes a line that lies in the chunk. Returns whether it is blank.
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

    /// Takes a line of which the start was kept from an earlier chunk. Returns whether it is blank.
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
                        // Down to the data before it, over the name of the field.
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

    /// Moves the data out of the chunk, which ends, or because a second line is to follow it.
    #[inline]
    fn keep_data(&mut self, in_chunk: &mut Option<&[u8]>) {
        if let Some(value) = in_chunk.take() {
            self.buffer.extend_from_slice(value);
            self.data = Some(0..value.len());
        }
    }

    /// Where in the buffer the data ends, and so the line starts that was kept.
    fn data_end(&self) -> usize {
        self.data.as_ref().map_or(0, |data| data.end)
    }

    /// How much of a line was kept.
    fn kept_line(&self) -> usize {
        self.buffer.len() - self.data_end()
    }

    fn check_line(&self, len: usize) -> Result<(), DecodeError> {
        let max = self.limits.line;
        if len > max { Err(DecodeError::LineTooLong { max }) } else { Ok(()) }
    }

    /// Makes ready for the next event, once nobody looks at this one any more. The buffer stays, unless this event made little use of a large
    /// one.
    pub(super) fn clear(&mut self) {
        let capacity = self.buffer.capacity();
        if capacity > KEPT_CAPACITY && self.buffer.len() < capacity / 8 {
            // A rare large event would otherwise hold its memory for as long as the connection lasts.
            self.buffer = Vec::new();
        }
        self.buffer.clear();
        self.data = None;
        self.head.event.clear();
    }

    /// Makes ready for the next connection.
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
        // Each event has a blank line, and it is not worth the search.
        Some(b'\n' | b'\r') => Some(0),
        _ => memchr2(b'\n', b'\r', chunk),
    }
}

fn check_event(len: usize, max: usize) -> Result<(), DecodeError> {
    if len > max { Err(DecodeError::EventTooLong { max }) } else { Ok(()) }
}

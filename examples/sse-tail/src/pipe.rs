//! `sse-tail -` reads bytes from standard input and writes events to standard output.

use std::{
    io::{self, Read},
    num::NonZeroU64,
};

use volga_sse::Decoder;

use crate::{Failure, print::Printer};

/// How many bytes are read from standard input at a time.
const READ: usize = 64 * 1024;

/// Decodes until the input ends, or `max` events are printed. The decoder gets `chunk` bytes at a
/// time; with 0 it gets all bytes of a read at once.
pub(crate) fn run(chunk: usize, max: Option<NonZeroU64>) -> Result<(), Failure> {
    let mut input = io::stdin().lock();
    let mut printer = Printer::stdout();
    let mut decoder = Decoder::new();
    let mut buffer = vec![0; READ];
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        let size = if chunk == 0 { read } else { chunk };
        let result = buffer[..read]
            .chunks(size)
            .try_for_each(|bytes| decode(&mut decoder, bytes, max, &mut printer));
        // Events are flushed before waiting for more input, and before an error is returned.
        printer.flush()?;
        result?;
        if max.is_some_and(|max| printer.printed() >= max.get()) {
            break;
        }
    }
    printer.last(&decoder)?;
    Ok(printer.flush()?)
}

fn decode(
    decoder: &mut Decoder,
    mut bytes: &[u8],
    max: Option<NonZeroU64>,
    printer: &mut Printer<impl io::Write>,
) -> Result<(), Failure> {
    while max.is_none_or(|max| printer.printed() < max.get())
        && let Some(event) = decoder.next(&mut bytes)?
    {
        printer.lent(event)?;
    }
    Ok(())
}

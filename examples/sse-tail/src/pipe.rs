//! `sse-tail -`: bytes from standard input, events to standard output.

use std::{
    io::{self, Read},
    num::NonZeroU64,
};

use volga_sse::Decoder;

use crate::{Failure, print::Printer};

/// What is asked of standard input at a time, in bytes.
const READ: usize = 64 * 1024;

/// Decodes until the input ends, or `max` events are printed. `chunk` is how many bytes the decoder
/// gets at a time; 0 stands for all that were read.
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
        // Before more input is waited for, and before an error is told.
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

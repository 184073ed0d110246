//! The JSON fast path: it writes the same bytes as `serde_json`, in fewer steps. Pure.
//!
//! Most of an event is field names and short texts. `serde_json` looks at each byte of them and
//! writes each quote, colon and comma in a step of its own. Here each name or text is one copy.
//! Everything else is left to `serde_json`: numbers, texts with escapes, keys of maps, errors. So
//! the bytes are those of `serde_json`, which is the oracle of the tests and of the fuzz target
//! `json`.
//!
//! A `Serialize` that somebody wrote by hand may break the rules of serde: a key without a value, a
//! raw text that is not JSON, an error of a part that it ignores. What would not be JSON is an
//! error here, also where `serde_json` writes it.
//!
//! `docs/design/json.md` has the reasons and the measurements.

pub(crate) mod output;
mod text;
mod value;

use serde::{Serialize, ser::Error as _};
use serde_json::Error;

use self::{output::Output, value::write_value};
use crate::codec::encode::line_end;

/// Writes a prefix, a value and the end of the line.
///
/// Returns false if the value has line breaks; then the end of the line is missing. After an error,
/// a part of the value may have been written.
pub(crate) fn write_line<T: Serialize>(
    out: &mut Output,
    prefix: &[u8],
    value: &T,
) -> Result<bool, Error> {
    out.bytes.extend_from_slice(prefix);
    let start = out.bytes.len();
    write_whole(out, value)?;
    if out.has_raw_text && line_end(&out.bytes[start..]).is_some() {
        return Ok(false);
    }
    out.bytes.push(b'\n');
    Ok(true)
}

/// Returns a value as JSON. For `volga-ws`.
///
/// # Errors
///
/// Returns the error of the value, or an error if the text would not be JSON.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    let mut out = Output::new(Vec::with_capacity(CAPACITY));
    write_whole(&mut out, value)?;
    String::from_utf8(out.bytes).map_err(Error::custom)
}

/// The bytes that most values need at most.
const CAPACITY: usize = 128;

/// Writes a value, of which no part has failed.
#[inline]
fn write_whole<T: Serialize + ?Sized>(out: &mut Output, value: &T) -> Result<(), Error> {
    write_value(out, value)?;
    if out.has_failed {
        return Err(Error::custom("a part failed, and the `Serialize` around it ignored that"));
    }
    Ok(())
}

#[cfg(test)]
mod liars;
#[cfg(test)]
mod tests;

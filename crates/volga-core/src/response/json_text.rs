//! A value as JSON text. Pure.
//!
//! A `Serialize` that somebody wrote by hand may break the rules of serde: it may have more items
//! than it says, write a key without a value, or ignore that one of its parts has failed.
//! `serde_json` alone then writes text that is not JSON. Here a wrong number of items does not
//! matter, and everything else is an error.

use std::io::{self, Write};

use serde::{Serialize, de::IgnoredAny, ser::Error as _};
use serde_json::{Serializer, ser::Formatter};

/// The bytes that most values need at most.
const CAPACITY: usize = 128;

/// Writes a value as JSON.
///
/// # Errors
///
/// Returns the error of the value, or an error if the text would not be JSON.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut structure = Structure::default();
    let mut text = Vec::with_capacity(CAPACITY);
    value.serialize(&mut Serializer::with_formatter(&mut text, Checked(&mut structure)))?;
    structure.write_end(&mut text).map_err(serde_json::Error::io)?;
    if structure.has_failed || structure.depth > 0 {
        return Err(serde_json::Error::custom(
            "a part failed, and the `Serialize` around it ignored that",
        ));
    }
    Ok(text)
}

/// The part that was written last.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Last {
    #[default]
    Nothing,
    ArrayStart,
    ObjectStart,
    /// The end of an array or object without items. Its bracket is written later, because a value
    /// that says it has no items may still have some.
    EmptyArray,
    EmptyObject,
    /// The end of an array or object.
    End,
    ItemStart,
    ItemEnd,
    KeyStart,
    KeyEnd,
    FieldStart,
    FieldEnd,
}

/// Checks that the parts of a value come in an order that makes JSON.
#[derive(Debug, Default)]
struct Structure {
    last: Last,
    /// How many arrays and objects are open.
    depth: usize,
    /// Whether an error was returned. The value may have ignored it.
    has_failed: bool,
}

impl Structure {
    #[cold]
    fn fail(&mut self) -> io::Result<()> {
        self.has_failed = true;
        Err(io::Error::other("the `Serialize` of a value breaks the rules of serde"))
    }

    /// Moves on, if one of these came last.
    #[inline]
    fn step(&mut self, from: &[Last], to: Last) -> io::Result<()> {
        if !from.contains(&self.last) {
            return self.fail();
        }
        self.last = to;
        Ok(())
    }

    /// Writes the end of an array or object without items.
    #[inline]
    fn write_end<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        let end = match self.last {
            Last::EmptyArray => b"]",
            Last::EmptyObject => b"}",
            _ => return Ok(()),
        };
        self.last = Last::End;
        self.depth -= 1;
        writer.write_all(end)
    }

    #[inline]
    fn close<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        last_part: Last,
        end: &[u8],
    ) -> io::Result<()> {
        self.step(&[last_part], Last::End)?;
        self.depth -= 1;
        writer.write_all(end)
    }
}

/// Where a value may begin.
const BEFORE_VALUE: &[Last] = &[Last::Nothing, Last::ItemStart, Last::FieldStart];

/// The compact format of `serde_json`, checked.
struct Checked<'a>(&'a mut Structure);

impl Formatter for Checked<'_> {
    #[inline]
    fn begin_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.step(BEFORE_VALUE, Last::ArrayStart)?;
        self.0.depth += 1;
        writer.write_all(b"[")
    }

    #[inline]
    fn end_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.0.last == Last::ArrayStart {
            return self.0.step(&[Last::ArrayStart], Last::EmptyArray);
        }
        self.0.close(writer, Last::ItemEnd, b"]")
    }

    #[inline]
    fn begin_array_value<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        is_first: bool,
    ) -> io::Result<()> {
        let has_items = !is_first && self.0.last == Last::ItemEnd;
        let before: &[Last] = match is_first {
            true => &[Last::ArrayStart],
            false => &[Last::ItemEnd, Last::EmptyArray],
        };
        self.0.step(before, Last::ItemStart)?;
        if has_items { writer.write_all(b",") } else { Ok(()) }
    }

    #[inline]
    fn end_array_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.write_end(writer)?;
        self.0.step(&[Last::ItemStart, Last::End], Last::ItemEnd)
    }

    #[inline]
    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.step(BEFORE_VALUE, Last::ObjectStart)?;
        self.0.depth += 1;
        writer.write_all(b"{")
    }

    #[inline]
    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.0.last == Last::ObjectStart {
            return self.0.step(&[Last::ObjectStart], Last::EmptyObject);
        }
        self.0.close(writer, Last::FieldEnd, b"}")
    }

    #[inline]
    fn begin_object_key<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        is_first: bool,
    ) -> io::Result<()> {
        let has_fields = !is_first && self.0.last == Last::FieldEnd;
        let before: &[Last] = match is_first {
            true => &[Last::ObjectStart],
            false => &[Last::FieldEnd, Last::EmptyObject],
        };
        self.0.step(before, Last::KeyStart)?;
        if has_fields { writer.write_all(b",") } else { Ok(()) }
    }

    #[inline]
    fn end_object_key<W: Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.0.step(&[Last::KeyStart], Last::KeyEnd)
    }

    #[inline]
    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.step(&[Last::KeyEnd], Last::FieldStart)?;
        writer.write_all(b":")
    }

    #[inline]
    fn end_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.write_end(writer)?;
        self.0.step(&[Last::FieldStart, Last::End], Last::FieldEnd)
    }

    fn write_raw_fragment<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        text: &str,
    ) -> io::Result<()> {
        if serde_json::from_str::<IgnoredAny>(text).is_err() {
            return self.0.fail();
        }
        writer.write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests;

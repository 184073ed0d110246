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
//! A value may have items, and an item is a value. So this file and `items` use each other, as
//! serde's traits of a value and of its items do.
//!
//! `docs/design/json.md` has the reasons and the measurements.

mod items;
mod text;

use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::Error;

use self::items::{ArrayWriter, MapWriter, StructWriter};
use crate::codec::encode::line_end;

/// The buffer to which a value is written.
pub(crate) struct Output {
    pub(crate) bytes: Vec<u8>,
    /// Whether a part is raw JSON, which the application laid out itself. Everything else is one
    /// line, because JSON escapes the line breaks of texts.
    pub(crate) has_raw_text: bool,
    /// Whether a part has failed. Whoever serialised the whole may have ignored that.
    has_failed: bool,
}

impl Output {
    /// Writes to the end of `bytes`.
    #[inline]
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, has_raw_text: false, has_failed: false }
    }

    /// Writes a prefix, a value and the end of the line.
    ///
    /// Returns false if the value has line breaks; then the end of the line is missing. After an
    /// error, a part of the value may have been written.
    pub(crate) fn write_line<T: Serialize>(
        &mut self,
        prefix: &[u8],
        value: &T,
    ) -> Result<bool, Error> {
        self.bytes.extend_from_slice(prefix);
        let start = self.bytes.len();
        self.write(value)?;
        if self.has_failed {
            return Err(Error::custom("a part failed, and the `Serialize` around it ignored that"));
        }
        if self.has_raw_text && line_end(&self.bytes[start..]).is_some() {
            return Ok(false);
        }
        self.bytes.push(b'\n');
        Ok(true)
    }

    /// Writes a value. After an error, a part of it may have been written.
    #[inline]
    pub(crate) fn write<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let written = value.serialize(ValueSerializer { out: self });
        self.has_failed |= written.is_err();
        written
    }

    /// Notes that a part failed.
    #[cold]
    fn fail<T>(&mut self, why: &'static str) -> Result<T, Error> {
        self.has_failed = true;
        Err(Error::custom(why))
    }

    /// Has `serde_json` write a value.
    #[inline]
    fn write_as_serde_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        serde_json::to_writer(&mut self.bytes, value)
    }
}

/// The serialiser of one value.
struct ValueSerializer<'a> {
    out: &'a mut Output,
}

/// Methods that leave the value to `serde_json`.
macro_rules! as_serde_json {
    ($($name:ident($type:ty)),* $(,)?) => {
        $(
            #[inline]
            fn $name(self, value: $type) -> Result<(), Error> {
                self.out.write_as_serde_json(&value)
            }
        )*
    };
}

impl<'a> Serializer for ValueSerializer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = ArrayWriter<'a>;
    type SerializeTuple = ArrayWriter<'a>;
    type SerializeTupleStruct = ArrayWriter<'a>;
    type SerializeTupleVariant = ArrayWriter<'a>;
    type SerializeMap = MapWriter<'a>;
    type SerializeStruct = StructWriter<'a>;
    type SerializeStructVariant = StructWriter<'a>;

    as_serde_json! {
        serialize_bool(bool),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_i128(i128),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_u128(u128),
        serialize_f32(f32),
        serialize_f64(f64),
        serialize_char(char),
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<(), Error> {
        text::write(&mut self.out.bytes, text)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        /// Bytes rather than a sequence of numbers: `serde_json` decides what they become.
        struct RawBytes<'a>(&'a [u8]);

        impl Serialize for RawBytes<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(self.0)
            }
        }

        self.out.write_as_serde_json(&RawBytes(bytes))
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.out.write_as_serde_json(&format_args!("{value}"))
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Error> {
        self.out.bytes.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        text::write(&mut self.out.bytes, variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        text::write_key(&mut self.out.bytes, b'{', variant)?;
        self.out.write(value)?;
        self.out.bytes.push(b'}');
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<ArrayWriter<'a>, Error> {
        Ok(ArrayWriter::new(self.out, "]"))
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<ArrayWriter<'a>, Error> {
        Ok(ArrayWriter::new(self.out, "]"))
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<ArrayWriter<'a>, Error> {
        Ok(ArrayWriter::new(self.out, "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<ArrayWriter<'a>, Error> {
        text::write_key(&mut self.out.bytes, b'{', variant)?;
        Ok(ArrayWriter::new(self.out, "]}"))
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<MapWriter<'a>, Error> {
        Ok(MapWriter::new(self.out))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<StructWriter<'a>, Error> {
        Ok(StructWriter::new(self.out, name))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<StructWriter<'a>, Error> {
        text::write_key(&mut self.out.bytes, b'{', variant)?;
        Ok(StructWriter::variant(self.out))
    }
}

#[cfg(test)]
mod liars;
#[cfg(test)]
mod tests;

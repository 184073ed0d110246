//! JSON as `serde_json` writes it, in fewer steps. Pure.
//!
//! What most of an event is made of, names of fields and short texts, is written here, each in one piece; `serde_json` looks at each of their bytes and writes
//! each quote, colon and comma by itself. All else is its work: numbers, texts with escapes, keys of maps, errors. So the bytes are its bytes.

mod items;
mod text;

use serde::{Serialize, Serializer};
use serde_json::Error;

use self::items::{Items, Map, Struct};
use crate::codec::encode::line_end;

/// Where a value is written.
pub(crate) struct Output {
    pub(crate) bytes: Vec<u8>,
    /// Whether a part is text that the application laid out itself: all else is one line, for JSON escapes the line breaks of texts.
    pub(crate) has_raw_text: bool,
}

impl Output {
    /// Goes on where `bytes` end.
    #[inline]
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, has_raw_text: false }
    }

    /// Writes a value behind a prefix and ends the line; false if the value is not one line, and has no end yet. After an error some of it may be there.
    pub(crate) fn write_line<T: Serialize>(
        &mut self,
        prefix: &[u8],
        value: &T,
    ) -> Result<bool, Error> {
        self.bytes.extend_from_slice(prefix);
        let start = self.bytes.len();
        self.write(value)?;
        if self.has_raw_text && line_end(&self.bytes[start..]).is_some() {
            return Ok(false);
        }
        self.bytes.push(b'\n');
        Ok(true)
    }

    /// Writes a value. After an error some of it may be there.
    #[inline]
    pub(crate) fn write<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Json { out: self })
    }

    /// Writes what `serde_json` makes of a value.
    #[inline]
    fn write_as_serde_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        serde_json::to_writer(&mut self.bytes, value)
    }
}

/// The serialiser of one value.
struct Json<'a> {
    out: &'a mut Output,
}

/// What `serde_json` writes.
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

impl<'a> Serializer for Json<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Map<'a>;
    type SerializeStruct = Struct<'a>;
    type SerializeStructVariant = Struct<'a>;

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
        text::write(self.out, text)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        /// Bytes, not a sequence of numbers: it is for `serde_json` to say what they become.
        struct Bytes<'a>(&'a [u8]);

        impl Serialize for Bytes<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(self.0)
            }
        }

        self.out.write_as_serde_json(&Bytes(bytes))
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
        text::write(self.out, variant)
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
        text::write_key(self.out, b'{', variant)?;
        self.out.write(value)?;
        self.out.bytes.push(b'}');
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>, Error> {
        Ok(Items::new(self.out, "]"))
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Items<'a>, Error> {
        Ok(Items::new(self.out, "]"))
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'a>, Error> {
        Ok(Items::new(self.out, "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'a>, Error> {
        text::write_key(self.out, b'{', variant)?;
        Ok(Items::new(self.out, "]}"))
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Map<'a>, Error> {
        Ok(Map::new(self.out))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, fields: usize) -> Result<Struct<'a>, Error> {
        Ok(Struct::new(self.out, name, fields))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Struct<'a>, Error> {
        text::write_key(self.out, b'{', variant)?;
        Ok(Struct::variant(self.out))
    }
}

#[cfg(test)]
mod tests;

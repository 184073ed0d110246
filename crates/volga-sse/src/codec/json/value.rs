//! The serialiser of a value, and the writers of arrays, maps and structs. They are in one file
//! because an item is a value, and a value may have items.

use serde::{
    Serialize, Serializer,
    de::IgnoredAny,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};
use serde_json::Error;

use super::{
    output::Output,
    text::{write_key, write_text},
};

/// Writes a value. After an error, a part of it may have been written.
#[inline]
pub(crate) fn write_value<T: Serialize + ?Sized>(out: &mut Output, value: &T) -> Result<(), Error> {
    let written = value.serialize(ValueSerializer { out: &mut *out });
    out.has_failed |= written.is_err();
    written
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
        write_text(&mut self.out.bytes, text)
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
        write_text(&mut self.out.bytes, variant)
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
        write_key(&mut self.out.bytes, b'{', variant)?;
        write_value(self.out, value)?;
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
        write_key(&mut self.out.bytes, b'{', variant)?;
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
        write_key(&mut self.out.bytes, b'{', variant)?;
        Ok(StructWriter::variant(self.out))
    }
}

/// The start of the struct names by which `serde_json` recognises its own types: `RawValue`, and
/// numbers of any length. No name in Rust starts with it.
const PRIVATE: &str = "$serde_json::private::";

/// Writes an array.
struct ArrayWriter<'a> {
    out: &'a mut Output,
    /// The byte before the next item: the bracket, then commas.
    before: u8,
    end: &'static str,
}

impl<'a> ArrayWriter<'a> {
    #[inline]
    fn new(out: &'a mut Output, end: &'static str) -> Self {
        Self { out, before: b'[', end }
    }

    #[inline]
    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
        self.out.bytes.push(self.before);
        self.before = b',';
        write_value(self.out, item)
    }

    #[inline]
    fn close(self) -> Result<(), Error> {
        if self.before == b'[' {
            self.out.bytes.push(b'[');
        }
        self.out.bytes.extend_from_slice(self.end.as_bytes());
        Ok(())
    }
}

macro_rules! items {
    ($($trait:ident::$item:ident),*) => {
        $(
            impl $trait for ArrayWriter<'_> {
                type Ok = ();
                type Error = Error;

                #[inline]
                fn $item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
                    self.item(item)
                }

                #[inline]
                fn end(self) -> Result<(), Error> {
                    self.close()
                }
            }
        )*
    };
}

items!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

const KEY_WITHOUT_VALUE: &str = "a map has a key without a value";

/// Writes a map, whose keys need not be strings.
struct MapWriter<'a> {
    out: &'a mut Output,
    is_empty: bool,
    /// A key was written, and its value comes next.
    has_key: bool,
}

impl<'a> MapWriter<'a> {
    #[inline]
    fn new(out: &'a mut Output) -> Self {
        Self { out, is_empty: true, has_key: false }
    }
}

impl SerializeMap for MapWriter<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        /// A map of one entry with the value `null`: `serde_json` writes it, and with it the key.
        struct SingleEntry<'a, T: ?Sized>(&'a T);

        impl<T: Serialize + ?Sized> Serialize for SingleEntry<'_, T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(self.0, &())?;
                map.end()
            }
        }

        if self.has_key {
            return self.out.fail(KEY_WITHOUT_VALUE);
        }
        let start = self.out.bytes.len();
        if let Err(error) = self.out.write_as_serde_json(&SingleEntry(key)) {
            self.out.has_failed = true;
            return Err(error);
        }
        self.has_key = true;
        self.out.bytes.truncate(self.out.bytes.len() - "null}".len());
        if !self.is_empty {
            self.out.bytes[start] = b',';
        }
        self.is_empty = false;
        Ok(())
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if !std::mem::take(&mut self.has_key) {
            return self.out.fail("a map has a value without a key");
        }
        write_value(self.out, value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        if self.has_key {
            return self.out.fail(KEY_WITHOUT_VALUE);
        }
        self.out.bytes.extend_from_slice(if self.is_empty { b"{}" } else { b"}" });
        Ok(())
    }
}

/// Writes a struct.
struct StructWriter<'a> {
    out: &'a mut Output,
    /// The byte before the next field: the brace, then commas.
    before: u8,
    end: &'static str,
    /// The struct's name, if it is one of `serde_json`'s own types.
    private: Option<&'static str>,
}

impl<'a> StructWriter<'a> {
    #[inline(always)]
    fn new(out: &'a mut Output, name: &'static str) -> Self {
        let private = name.starts_with(PRIVATE).then_some(name);
        Self { out, before: b'{', end: "}", private }
    }

    fn variant(out: &'a mut Output) -> Self {
        Self { out, before: b'{', end: "}}", private: None }
    }

    #[inline(always)]
    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        if let Some(name) = self.private {
            return self.private_field(name, key, value);
        }
        write_key(&mut self.out.bytes, self.before, key)?;
        self.before = b',';
        write_value(self.out, value)
    }

    /// Writes the one field of `serde_json`'s own types. Its text stands in the output as it is, so
    /// it must be JSON.
    #[cold]
    #[inline(never)]
    fn private_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        key: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.out.has_raw_text = true;
        if self.before != b'{' {
            return self.out.fail("a raw value has one field");
        }
        self.before = b',';
        let start = self.out.bytes.len();
        let written = self.out.write_as_serde_json(&PrivateStruct { name, key, value });
        let written = written
            .and_then(|()| serde_json::from_slice(&self.out.bytes[start..]).map(|IgnoredAny| ()));
        self.out.has_failed |= written.is_err();
        written
    }

    #[inline(always)]
    fn close(self) -> Result<(), Error> {
        if self.private.is_some() {
            return match self.before {
                b'{' => self.out.fail("a raw value has one field"),
                _ => Ok(()),
            };
        }
        if self.before == b'{' {
            self.out.bytes.push(b'{');
        }
        self.out.bytes.extend_from_slice(self.end.as_bytes());
        Ok(())
    }
}

macro_rules! fields {
    ($($trait:ident),*) => {
        $(
            impl $trait for StructWriter<'_> {
                type Ok = ();
                type Error = Error;

                #[inline(always)]
                fn serialize_field<T: Serialize + ?Sized>(
                    &mut self,
                    key: &'static str,
                    value: &T,
                ) -> Result<(), Error> {
                    self.field(key, value)
                }

                #[inline(always)]
                fn end(self) -> Result<(), Error> {
                    self.close()
                }
            }
        )*
    };
}

fields!(SerializeStruct, SerializeStructVariant);

/// One of `serde_json`'s own structs with its one field, for `serde_json` to write.
struct PrivateStruct<'a, T: ?Sized> {
    name: &'static str,
    key: &'static str,
    value: &'a T,
}

impl<T: Serialize + ?Sized> Serialize for PrivateStruct<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut one = serializer.serialize_struct(self.name, 1)?;
        one.serialize_field(self.key, self.value)?;
        one.end()
    }
}

//! The writers of arrays, maps and structs.

use serde::{
    Serialize, Serializer,
    de::IgnoredAny,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};
use serde_json::Error;

use super::{Output, text::write_key};

/// The start of the struct names by which `serde_json` recognises its own types: `RawValue`, and
/// numbers of any length. No name in Rust starts with it.
const PRIVATE: &str = "$serde_json::private::";

/// Writes an array.
pub(super) struct ArrayWriter<'a> {
    out: &'a mut Output,
    /// The byte before the next item: the bracket, then commas.
    before: u8,
    end: &'static str,
}

impl<'a> ArrayWriter<'a> {
    #[inline]
    pub(super) fn new(out: &'a mut Output, end: &'static str) -> Self {
        Self { out, before: b'[', end }
    }

    #[inline]
    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
        self.out.bytes.push(self.before);
        self.before = b',';
        self.out.write(item)
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
pub(super) struct MapWriter<'a> {
    out: &'a mut Output,
    is_empty: bool,
    /// A key was written, and its value comes next.
    has_key: bool,
}

impl<'a> MapWriter<'a> {
    #[inline]
    pub(super) fn new(out: &'a mut Output) -> Self {
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
        self.out.write(value)
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
pub(super) struct StructWriter<'a> {
    out: &'a mut Output,
    /// The byte before the next field: the brace, then commas.
    before: u8,
    end: &'static str,
    /// The struct's name, if it is one of `serde_json`'s own types.
    private: Option<&'static str>,
}

impl<'a> StructWriter<'a> {
    #[inline(always)]
    pub(super) fn new(out: &'a mut Output, name: &'static str) -> Self {
        let private = name.starts_with(PRIVATE).then_some(name);
        Self { out, before: b'{', end: "}", private }
    }

    pub(super) fn variant(out: &'a mut Output) -> Self {
        Self { out, before: b'{', end: "}}", private: None }
    }

    #[inline(always)]
    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        if let Some(name) = self.private {
            return self.private_field(name, key, value);
        }
        write_key(&mut self.out.bytes, self.before, key)?;
        self.before = b',';
        self.out.write(value)
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

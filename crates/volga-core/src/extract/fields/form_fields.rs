//! `FormFields`: the fields of a form of any format, as a value of a type (pure).

use std::borrow::Cow;
use std::fmt;

use serde::de::DeserializeOwned;

use crate::extract::error::ExtractError;
use crate::extract::fields::conversions::ReadingRules;
use crate::extract::fields::file_number::FileNumber;
use crate::extract::fields::pairs::{self, Pair};
use crate::extract::fields::{FieldError, FieldErrorKind};

/// The fields of a form, for extractors of other formats than [`Form`](crate::Form), such as
/// `multipart/form-data`. They fill a type as those of a `Form` do: repeated names, names with
/// brackets, `flatten` and enums included.
///
/// Three things differ from a `Form`, because such forms come from pages that have check boxes and
/// fields for files:
///
/// - an empty text is `None` for an `Option`, and still a text for a `String`,
/// - `on` and `off` are booleans,
/// - blanks around a number do not count.
///
/// ```
/// use serde::Deserialize;
/// use volga_core::FormFields;
///
/// #[derive(Deserialize)]
/// struct User { name: String, age: Option<u8>, tag: Vec<String>, news: bool }
///
/// let mut fields = FormFields::new();
/// for (name, text) in [("name", "Anna"), ("age", ""), ("tag", "a"), ("tag", "b"), ("news", "on")] {
///     fields.add_text(name, text);
/// }
/// let user: User = fields.read().unwrap();
/// assert_eq!((&*user.name, user.age, user.tag.len(), user.news), ("Anna", None, 2, true));
///
/// fields.add_text("name", "Bert");
/// let error = fields.read::<User>().err().unwrap();
/// let expect = "form field `name`: given 2 times, but it takes one value";
/// assert_eq!(error.to_string(), expect);
/// ```
#[derive(Default)]
pub struct FormFields {
    pairs: Vec<Pair<'static>>,
    /// The pairs that are files, by their indexes.
    files: Vec<(usize, FileNumber)>,
    file_type: Option<&'static str>,
}

impl FormFields {
    /// Creates a form without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the type that takes files, by the name that its `Deserialize` passes to
    /// `deserialize_newtype_struct`. The content of this newtype struct is a [`FileNumber`].
    #[must_use]
    pub fn with_file_type(mut self, type_name: &'static str) -> Self {
        self.file_type = Some(type_name);
        self
    }

    /// Adds a field with a text. A name may be added several times.
    pub fn add_text(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.pairs.push((Cow::Owned(name.into()), Cow::Owned(text.into())));
    }

    /// Adds a field with a file. The number stands for the file, and only the [type for
    /// files](Self::with_file_type) gets it. The numbers of a form differ.
    pub fn add_file(&mut self, name: impl Into<String>, number: FileNumber) {
        self.files.push((self.pairs.len(), number));
        // The text is only known by its address, so it must have one.
        self.add_text(name, "file");
    }

    /// Reads the fields into a type. The type may be deserialized several times until it fits.
    ///
    /// # Errors
    ///
    /// Returns [`ExtractError::MissingFormField`] or [`ExtractError::FormField`] (status 422) with
    /// the path of the field.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ExtractError> {
        let address = |(at, number): &(usize, FileNumber)| {
            Some((self.pairs.get(*at)?.1.as_ptr().addr(), *number))
        };
        let rules = ReadingRules {
            is_lenient: true,
            files: self.files.iter().filter_map(address).collect(),
            file_type: self.file_type,
        };
        pairs::read_with(rules, &self.pairs).map_err(error_of_form)
    }
}

impl fmt::Debug for FormFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The texts may be secrets.
        let names = self.pairs.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

/// The error of a field of a form.
pub(in crate::extract) fn error_of_form(error: FieldError) -> ExtractError {
    let FieldError { at, kind, .. } = error;
    match kind {
        FieldErrorKind::Missing => ExtractError::MissingFormField { field: at },
        FieldErrorKind::Malformed(reason)
        | FieldErrorKind::Length(reason)
        | FieldErrorKind::Shape(reason) => ExtractError::FormField { at, reason },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, de};

    use super::*;

    /// A file, with its number.
    #[derive(Debug, PartialEq)]
    struct File(u64);

    impl<'de> Deserialize<'de> for File {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;

            impl<'de> de::Visitor<'de> for Visitor {
                type Value = File;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a file")
                }

                fn visit_newtype_struct<D: Deserializer<'de>>(
                    self,
                    inner: D,
                ) -> Result<File, D::Error> {
                    FileNumber::deserialize(inner).map(|number| File(number.0))
                }
            }

            deserializer.deserialize_newtype_struct("test::File", Visitor)
        }
    }

    /// Reads texts, and files where the text begins with `@`.
    fn read<T: DeserializeOwned>(pairs: &[(&str, &str)]) -> Result<T, String> {
        let mut fields = FormFields::new().with_file_type("test::File");
        for (name, text) in pairs {
            match text.strip_prefix('@') {
                Some(number) => fields.add_file(*name, FileNumber(number.parse().unwrap())),
                None => fields.add_text(*name, *text),
            }
        }
        fields.read().map_err(|error| error.to_string())
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Fields {
        name: String,
        age: Option<u8>,
        height: f32,
        tags: Vec<String>,
        numbers: Vec<i64>,
        news: bool,
        size: Option<Size>,
        id: Id,
        letter: Option<char>,
        address: BTreeMap<String, String>,
        avatar: Option<File>,
        photos: Vec<File>,
        pages: Vec<Page>,
        #[serde(flatten)]
        more: More,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Size {
        Small,
        Large,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    struct Id(u32);

    #[derive(Debug, Deserialize, PartialEq)]
    struct Page {
        title: String,
        scan: File,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct More {
        count: u8,
        agreed: bool,
        cover: Option<File>,
        scans: Vec<File>,
    }

    #[test]
    fn texts_and_files_become_the_types_of_the_fields() {
        let fields: Fields = read(&[
            ("name", "Anna"),
            ("age", "30"),
            ("height", "1.7"),
            ("tags", "a"),
            ("numbers", " -1 "),
            ("tags", ""),
            ("news", "on"),
            ("size", "large"),
            ("id", "7"),
            ("letter", " "),
            ("unknown", "x"),
            ("unknown", "@9"),
            ("address[city]", "Riga"),
            ("avatar", "@1"),
            ("photos", "@2"),
            ("photos", "@3"),
            ("pages[0][title]", "one"),
            ("pages[0][scan]", "@4"),
            ("count", " 5 "),
            ("agreed", "on"),
            ("cover", "@6"),
            ("scans", "@7"),
        ])
        .unwrap();
        let expect = Fields {
            name: "Anna".into(),
            age: Some(30),
            height: 1.7,
            tags: vec!["a".into(), String::new()],
            numbers: vec![-1],
            news: true,
            size: Some(Size::Large),
            id: Id(7),
            letter: Some(' '),
            address: [("city".into(), "Riga".into())].into(),
            avatar: Some(File(1)),
            photos: vec![File(2), File(3)],
            pages: vec![Page { title: "one".into(), scan: File(4) }],
            more: More { count: 5, agreed: true, cover: Some(File(6)), scans: vec![File(7)] },
        };
        assert_eq!(fields, expect);
        let empty: Fields = read(&[("age", ""), ("size", ""), ("name", "")]).unwrap();
        assert_eq!(empty, Fields::default());
        let map: BTreeMap<String, Vec<u8>> = read(&[("a", "1"), ("b", "2"), ("a", "3")]).unwrap();
        assert_eq!(map["a"], [1, 3]);
    }

    #[test]
    fn an_error_names_the_field() {
        #[derive(Debug, Deserialize)]
        struct Strict {
            #[expect(dead_code, reason = "only errors are tested")]
            age: u8,
        }

        for (pairs, expect) in [
            (&[][..], "form field `age` is missing"),
            (&[("age", "x")], "form field `age`: invalid digit found in string"),
            (&[("age", "300")], "form field `age`: number too large to fit in target type"),
            (
                &[("age", "1"), ("age", "2")],
                "form field `age`: given 2 times, but it takes one value",
            ),
            (&[("age", "@1")], "form field `age`: text is needed, not a file"),
        ] {
            assert_eq!(read::<Strict>(pairs).unwrap_err(), expect);
        }
        for (pair, expect) in [
            (("numbers", "x"), "form field `numbers[0]`: invalid digit found in string"),
            (("news", "yes"), "form field `news`: `yes` is neither `true` nor `false`"),
            (
                ("size", "huge"),
                "form field `size`: unknown variant `huge`, expected `small` or `large`",
            ),
            (("avatar", "1"), "form field `avatar`: a file is needed, not text"),
            (("photos", "1"), "form field `photos[0]`: a file is needed, not text"),
            (("name", "@1"), "form field `name`: text is needed, not a file"),
            (("tags", "@1"), "form field `tags[0]`: text is needed, not a file"),
            (("news", "@1"), "form field `news`: text is needed, not a file"),
            (("size", "@1"), "form field `size`: text is needed, not a file"),
            (("pages[0][title]", "@1"), "form field `pages[0][title]`: text is needed, not a file"),
        ] {
            assert_eq!(read::<Fields>(&[pair]).unwrap_err(), expect);
        }
        // With `flatten`, serde itself says what does not fit.
        for pair in [("count", "@1"), ("agreed", "@1"), ("cover", "text")] {
            assert!(read::<Fields>(&[pair]).is_err(), "{pair:?}");
        }
    }
}

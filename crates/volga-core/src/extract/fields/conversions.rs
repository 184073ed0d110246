//! Which texts become numbers, booleans or lists where serde does not say what it needs.
//!
//! A field of type `u32` asks a deserializer for a `u32`, and the text is parsed. With `flatten`,
//! and in tagged and untagged enums, serde asks for anything, keeps it, and looks for the type
//! later. A text that was kept as a text then does not fit a `u32`, and a text that was kept as a
//! number does not fit a `String`.
//!
//! So the value is deserialized again. At first every text is kept as a text. Serde reports a text
//! that does not fit through [`de::Error::invalid_type`], with the text itself, whose address tells
//! which text it is. In the next pass this text is a number. The reports go through a thread-local
//! variable, because untagged enums swallow their errors.
//!
//! [`de::Error::invalid_type`]: serde::de::Error::invalid_type

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
};

use serde::de::{Expected, Unexpected};

use crate::extract::fields::file_number::FileNumber;

/// The maximum number of passes over one value: 32. A client can make each pass find one more text
/// to convert, so the passes over a long query would cost too much without a limit.
const MAX_PASSES: usize = 32;

/// The pass from which on all texts that are numbers or booleans are converted. A map with many
/// numbers would otherwise need a pass for each.
const CONVERT_ALL_FROM: usize = 12;

/// The type that a text is converted to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::extract) enum Conversion {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    /// A list that has the text as its only item.
    List,
}

/// The conversions of the current pass, and the reports of serde. A text is known by its address,
/// so all passes must read the same texts in memory.
#[derive(Default)]
struct Conversions {
    scalars: HashSet<usize>,
    lists: HashSet<usize>,
    /// Texts that were converted, but are needed as texts.
    kept: HashSet<usize>,
    converts_all: bool,
    /// Whether a type took one value for a name that has parts.
    has_refused_parts: bool,
    /// Whether names with brackets are not split into parts.
    are_names_whole: bool,
    /// Whether a type took a struct or a map for parts that were read as a list.
    has_refused_list: bool,
    /// Whether parts whose names are numbers are read as a map where serde does not say what it
    /// needs.
    are_numbers_names: bool,
    /// Texts that did not fit, and whether a list was expected.
    misfits: Vec<(usize, bool)>,
    /// Converted texts that did not fit, because a text was expected.
    needed_as_text: Vec<Conversion>,
    /// All conversions of this pass.
    converted: Vec<(usize, Conversion)>,
    rules: ReadingRules,
}

/// How the texts of one value are read.
#[derive(Clone, Debug, Default)]
pub(in crate::extract) struct ReadingRules {
    /// Whether blanks around numbers do not count, `on` and `off` are booleans, and an empty text
    /// is `None` for an `Option`.
    pub(in crate::extract) is_lenient: bool,
    /// The files, by the addresses of the texts that stand for them.
    pub(in crate::extract) files: HashMap<usize, FileNumber>,
    /// The name of the newtype struct that takes a file.
    pub(in crate::extract) file_type: Option<&'static str>,
}

thread_local! {
    static CURRENT: RefCell<Conversions> = RefCell::default();
}

/// Restores the conversions of an outer value. The code of an application may read another value
/// while one is being read.
struct Restore(Option<Conversions>);

impl Drop for Restore {
    fn drop(&mut self) {
        let outer = self.0.take().unwrap_or_default();
        CURRENT.with(|current| current.replace(outer));
    }
}

/// Deserializes a value, in as many passes as it needs. Each pass must read the same texts.
pub(in crate::extract) fn deserialize<T, E>(
    rules: ReadingRules,
    mut pass: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let new = Conversions { rules, ..Conversions::default() };
    let _restore = Restore(Some(CURRENT.with(|current| current.replace(new))));
    let mut result = pass();
    for number in 1..MAX_PASSES {
        let learned = CURRENT.with_borrow_mut(|current| {
            if number >= CONVERT_ALL_FROM && !current.misfits.is_empty() {
                current.converts_all = true;
            }
            current.learn(result.is_err())
        });
        if learned == PassChange::Nothing {
            break;
        }
        // A later pass has more conversions, so an untagged enum finds an earlier variant. A pass
        // that takes conversions back may fail earlier in the value, at a field without a fault.
        match pass() {
            Err(_) if result.is_ok() || learned != PassChange::Conversions => {}
            new => result = new,
        }
    }
    result
}

/// The difference between the next pass and the last one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum PassChange {
    /// It would be the same as the last one.
    Nothing,
    /// It converts more texts.
    Conversions,
    /// It keeps texts that were converted.
    Texts,
    /// It reads names in brackets in another way.
    Names,
}

impl Conversions {
    /// A list was expected for the file with these bytes.
    fn need_file_as_list(&mut self, bytes: &[u8]) {
        let Some(number) = FileNumber::from_bytes(bytes) else { return };
        let mut files = self.rules.files.iter();
        if let Some((text, _)) = files.find(|(_, other)| **other == number) {
            self.misfits.push((*text, true));
        }
    }

    /// Prepares the next pass.
    fn learn(&mut self, has_failed: bool) -> PassChange {
        let mut is_changed = false;
        for (text, is_list) in std::mem::take(&mut self.misfits) {
            let set = if is_list { &mut self.lists } else { &mut self.scalars };
            is_changed |= (is_list || !self.kept.contains(&text)) && set.insert(text);
        }
        let converted = std::mem::take(&mut self.converted);
        let needed_as_text = std::mem::take(&mut self.needed_as_text);
        if is_changed {
            return PassChange::Conversions;
        }
        if has_failed {
            for (text, _) in converted.iter().filter(|(_, to)| needed_as_text.contains(to)) {
                is_changed |= self.kept.insert(*text);
            }
        }
        if is_changed {
            PassChange::Texts
        } else if has_failed && self.has_refused_list && !self.are_numbers_names {
            self.are_numbers_names = true;
            PassChange::Names
        } else if has_failed && self.has_refused_parts && !self.are_names_whole {
            self.are_names_whole = true;
            PassChange::Names
        } else {
            PassChange::Nothing
        }
    }
}

/// Returns what the text becomes in this pass. `None` means that it stays a text.
pub(in crate::extract) fn of(text: &str, is_list_item: bool) -> Option<Conversion> {
    if text.is_empty() {
        return None;
    }
    CURRENT.with_borrow_mut(|current| {
        let address = text.as_ptr().addr();
        if !is_list_item && current.lists.contains(&address) {
            return Some(Conversion::List);
        }
        let is_scalar = current.converts_all || current.scalars.contains(&address);
        if !is_scalar || current.kept.contains(&address) {
            return None;
        }
        let conversion = scalar(text, current.rules.is_lenient)?;
        current.converted.push((address, conversion));
        Some(conversion)
    })
}

/// Takes the report that something did not fit. Returns the address of the text.
pub(in crate::extract) fn misfit(
    unexpected: &Unexpected<'_>,
    expected: &dyn Expected,
) -> Option<usize> {
    let as_text = match *unexpected {
        Unexpected::Str(text) => {
            let is_list = is_list_expected(expected);
            let address = text.as_ptr().addr();
            CURRENT.with_borrow_mut(|current| {
                if is_list || scalar(text, current.rules.is_lenient).is_some() {
                    current.misfits.push((address, is_list));
                }
            });
            return Some(address);
        }
        Unexpected::Bool(value) => Conversion::Bool(value),
        Unexpected::Unsigned(value) => Conversion::Unsigned(value),
        Unexpected::Signed(value) => Conversion::Signed(value),
        Unexpected::Float(value) => Conversion::Float(value),
        Unexpected::Bytes(bytes) => {
            if is_list_expected(expected) {
                CURRENT.with_borrow_mut(|current| current.need_file_as_list(bytes));
            }
            return None;
        }
        Unexpected::Seq => {
            CURRENT.with_borrow_mut(|current| current.has_refused_list = true);
            return None;
        }
        Unexpected::Map => {
            refuse_parts();
            return None;
        }
        _ => return None,
    };
    CURRENT.with_borrow_mut(|current| current.needed_as_text.push(as_text));
    None
}

fn is_list_expected(expected: &dyn Expected) -> bool {
    let expected = expected.to_string();
    let lists = ["a sequence", "a tuple", "an array", "tuple struct"];
    lists.iter().any(|list| expected.starts_with(list))
}

/// Takes the report that a type takes one value for a name that has parts.
pub(in crate::extract) fn refuse_parts() {
    CURRENT.with_borrow_mut(|current| current.has_refused_parts = true);
}

/// Whether parts whose names are numbers are read as a map in this pass.
pub(in crate::extract) fn are_numbers_names() -> bool {
    CURRENT.with_borrow(|current| current.are_numbers_names)
}

/// Whether names with brackets are not split into parts in this pass.
pub(in crate::extract) fn are_names_whole() -> bool {
    CURRENT.with_borrow(|current| current.are_names_whole)
}

/// Returns the address of the text that a value was in the request: a text, or the only text that
/// was converted to this value.
pub(in crate::extract) fn converted_text(value: &Unexpected<'_>) -> Option<usize> {
    let value = match *value {
        Unexpected::Str(text) => return Some(text.as_ptr().addr()),
        Unexpected::Bool(value) => Conversion::Bool(value),
        Unexpected::Unsigned(value) => Conversion::Unsigned(value),
        Unexpected::Signed(value) => Conversion::Signed(value),
        Unexpected::Float(value) => Conversion::Float(value),
        _ => return None,
    };
    CURRENT.with_borrow(|current| {
        let mut texts = current.converted.iter().filter(|(_, to)| *to == value);
        let first = texts.next().map(|(text, _)| *text);
        first.filter(|_| texts.next().is_none())
    })
}

/// Returns the file that the text stands for.
pub(in crate::extract) fn file(text: &str) -> Option<FileNumber> {
    CURRENT.with_borrow(|current| current.rules.files.get(&text.as_ptr().addr()).copied())
}

/// Whether the text is read as a list in this pass.
pub(in crate::extract) fn is_list(text: &str) -> bool {
    CURRENT.with_borrow(|current| current.lists.contains(&text.as_ptr().addr()))
}

/// Whether this newtype struct takes a file.
pub(in crate::extract) fn is_file_type(name: &str) -> bool {
    CURRENT.with_borrow(|current| current.rules.file_type == Some(name))
}

/// Whether the rules for texts are lenient.
pub(in crate::extract) fn is_lenient() -> bool {
    CURRENT.with_borrow(|current| current.rules.is_lenient)
}

/// Reads a boolean.
pub(in crate::extract) fn boolean(text: &str, is_lenient: bool) -> Option<bool> {
    match text {
        // A check box without a value of its own sends `on`.
        "on" if is_lenient => Some(true),
        "off" if is_lenient => Some(false),
        text => text.parse().ok(),
    }
}

fn scalar(text: &str, is_lenient: bool) -> Option<Conversion> {
    let number = if is_lenient { text.trim() } else { text };
    boolean(text, is_lenient)
        .map(Conversion::Bool)
        .or_else(|| number.parse().ok().map(Conversion::Unsigned))
        .or_else(|| number.parse().ok().map(Conversion::Signed))
        .or_else(|| number.parse().ok().map(Conversion::Float))
}

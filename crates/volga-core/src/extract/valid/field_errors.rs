//! `FieldErrors`: what is wrong with the fields of a value (pure).

use std::fmt::{self, Display, Write};

use http::StatusCode;
use serde_json::{Value, json};

use crate::response::problem::Problem;

/// The maximum number of errors in one [`FieldErrors`]: 100. Further ones are only counted, because
/// a client can send a long list in which every item is wrong.
pub const MAX_FIELD_ERRORS: usize = 100;

/// The errors of a value: the path of each invalid field, and a message for the client.
///
/// A path is written like a Rust expression, such as `address.city` or `items[2].price`. The empty
/// path is the whole value. At most [`MAX_FIELD_ERRORS`] are kept, and the rest is counted.
///
/// As an error it has the status 422, and the problem details have the member `errors`, as in the
/// example of RFC 9457, section 3. A handler may return it for what only it can know:
///
/// ```
/// use volga_core::{Error, FieldErrors};
///
/// let mut errors = FieldErrors::new();
/// errors.add("address.city", "is empty");
/// errors.add("items[2].price", "must be positive");
/// assert_eq!(errors.len(), 2);
///
/// let error = Error::from(errors);
/// assert_eq!(error.status(), 422);
/// let problem = serde_json::to_value(error.problem()).unwrap();
/// assert_eq!(problem["errors"][1]["pointer"], "#/items/2/price");
/// assert_eq!(problem["errors"][1]["detail"], "must be positive");
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FieldErrors {
    entries: Vec<FieldMessage>,
    further: usize,
    names: FieldNames,
}

/// How the problem details name a field.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FieldNames {
    /// In the member `pointer`, as a JSON pointer (RFC 6901): `#/items/2/price`.
    #[default]
    Pointer,
    /// In the member `field`, as a form or a query names it: `items[2][price]`.
    Brackets,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct FieldMessage {
    path: String,
    message: String,
}

impl FieldErrors {
    /// Creates a list without errors.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an error of the field at this path.
    pub fn add(&mut self, path: impl Display, message: impl Display) -> &mut Self {
        if self.entries.len() < MAX_FIELD_ERRORS {
            let (path, message) = (path.to_string(), message.to_string());
            self.entries.push(FieldMessage { path, message });
        } else {
            self.further = self.further.saturating_add(1);
        }
        self
    }

    /// Adds the errors of the value at this path: `address` and `city` become `address.city`.
    pub fn add_nested(&mut self, path: impl Display, errors: Self) -> &mut Self {
        let path = path.to_string();
        for FieldMessage { path: inner, message } in errors.entries {
            self.add(join(&path, &inner), message);
        }
        self.further = self.further.saturating_add(errors.further);
        self
    }

    /// Whether there is no error.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The number of errors, also of those that are only counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len().saturating_add(self.further)
    }

    /// The paths and messages, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|entry| (&*entry.path, &*entry.message))
    }

    /// Returns `Ok` if there is no error.
    ///
    /// # Errors
    ///
    /// Returns the errors themselves.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }

    /// Sets how the problem details name the fields.
    #[must_use]
    pub fn with_names(mut self, names: FieldNames) -> Self {
        self.names = names;
        self
    }

    /// The problem document with all errors.
    pub(super) fn problem(&self) -> Problem {
        let errors: Vec<_> = self.iter().map(|error| self.member(error)).collect();
        let problem = Problem::of(StatusCode::UNPROCESSABLE_ENTITY)
            .with_detail(self.to_string())
            .with_extension("errors", errors);
        match self.further {
            0 => problem,
            further => problem.with_extension("further_errors", further),
        }
    }

    fn member(&self, (path, message): (&str, &str)) -> Value {
        match self.names {
            FieldNames::Pointer => json!({ "pointer": pointer(path), "detail": message }),
            FieldNames::Brackets => json!({ "field": brackets(path), "detail": message }),
        }
    }
}

/// `1 field is not valid: name: is empty`
impl Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = if self.len() == 1 { "field is" } else { "fields are" };
        write!(f, "{} {fields} not valid", self.len())?;
        for (index, (path, message)) in self.iter().enumerate() {
            f.write_str(if index == 0 { ": " } else { "; " })?;
            if !path.is_empty() {
                write!(f, "{path}: ")?;
            }
            f.write_str(message)?;
        }
        if self.further > 0 { f.write_str("; …") } else { Ok(()) }
    }
}

impl<P: Display, M: Display> FromIterator<(P, M)> for FieldErrors {
    fn from_iter<I: IntoIterator<Item = (P, M)>>(errors: I) -> Self {
        let mut all = Self::new();
        for (path, message) in errors {
            all.add(path, message);
        }
        all
    }
}

/// The path of a field within the value at another path.
fn join(path: &str, inner: &str) -> String {
    let dot = if path.is_empty() || inner.is_empty() || inner.starts_with('[') { "" } else { "." };
    format!("{path}{dot}{inner}")
}

/// The parts of a path: `items`, `2` and `price` of `items[2].price`.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split(['.', '[']).map(|part| part.trim_end_matches(']')).filter(|part| !part.is_empty())
}

/// A path as a JSON pointer in a URI fragment (RFC 6901, sections 3 and 6).
fn pointer(path: &str) -> String {
    let mut pointer = "#".to_owned();
    for part in parts(path) {
        pointer.push('/');
        pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}

/// A path as the name of a field in a form.
fn brackets(path: &str) -> String {
    let mut parts = parts(path);
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // Writing into a `String` cannot fail.
        let _ = write!(name, "[{part}]");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_two_forms_for_clients() {
        for (path, in_json, in_form) in [
            ("", "#", ""),
            ("age", "#/age", "age"),
            ("address.city", "#/address/city", "address[city]"),
            ("items[2].price", "#/items/2/price", "items[2][price]"),
            ("[0]", "#/0", "0"),
            ("a[0][1]", "#/a/0/1", "a[0][1]"),
            ("a/b.c~d", "#/a~1b/c~0d", "a/b[c~d]"),
        ] {
            assert_eq!((&*pointer(path), &*brackets(path)), (in_json, in_form), "{path}");
        }
    }

    #[test]
    fn nested_errors_have_the_path_of_their_value() {
        let mut inner = FieldErrors::new();
        inner.add("city", "is empty").add("", "is odd").add("[1]", "is new");
        let mut errors = FieldErrors::new();
        errors.add_nested("address", inner.clone()).add_nested("", inner);
        let paths: Vec<_> = errors.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["address.city", "address", "address[1]", "city", "", "[1]"]);
        assert_eq!(FieldErrors::new().into_result(), Ok(()));
        assert!(errors.into_result().is_err());
    }

    #[test]
    fn errors_beyond_the_limit_are_counted() {
        let mut errors: FieldErrors =
            (0..MAX_FIELD_ERRORS + 7).map(|index| (format!("[{index}]"), "is odd")).collect();
        errors.add_nested("x", errors.clone());
        assert_eq!(errors.len(), 2 * (MAX_FIELD_ERRORS + 7));
        assert_eq!(errors.iter().count(), MAX_FIELD_ERRORS);
        let problem = serde_json::to_value(errors.problem()).unwrap();
        assert_eq!(problem["errors"].as_array().unwrap().len(), MAX_FIELD_ERRORS);
        assert_eq!(problem["further_errors"], MAX_FIELD_ERRORS + 14);
    }

    #[test]
    fn the_text_has_all_messages() {
        let errors: FieldErrors = [("age", "is too low")].into_iter().collect();
        assert_eq!(errors.to_string(), "1 field is not valid: age: is too low");
        let errors: FieldErrors = [("a", "x"), ("", "y")].into_iter().collect();
        assert_eq!(errors.to_string(), "2 fields are not valid: a: x; y");
    }
}

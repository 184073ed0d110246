//! Checks that what a user meets in the documentation of `volga` has an example there (pure).
//!
//! A name that `volga` exports has an example in the text before its declaration, or before the
//! `pub use` that exports it. A method of `volga` is called in an example of the crate, its own or
//! another one: a setting does not need a program of its own.

use std::collections::BTreeSet;

use crate::workspace::SourceFile;

/// Where the crate's sources are.
const SOURCES: &str = "crates/volga/src/";
/// The file with everything that the crate exports.
const CONTENTS: &str = "crates/volga/src/lib.rs";
/// The parts of the macros, which users do not see.
const MACROS: &str = "crates/volga/src/macros/";
/// What follows in that file is not for users.
const PRIVATE: &str = "pub mod __private";

/// Errors and the parts of errors. A user meets them by `?`, and by their texts.
const ERROR_ENDINGS: &[&str] = &["Error", "Fault", "Faults", "ErrorResponse"];

/// Names without an example, because no user writes them.
const NEVER_WRITTEN: &[&str] = &[
    // Bounds of the functions that take handlers, services and tasks.
    "AppArg",
    "AppArgs",
    "CallContext",
    "CheckFunction",
    "CheckOutput",
    "FieldNames",
    "FromMessage",
    "Handler",
    "HandlerArgs",
    "HandlerOutput",
    "IntoReply",
    "MessageHandler",
    "PartsArgs",
    "SessionHandler",
    "SessionOutput",
    "SocketHandler",
    "SocketOutput",
    "TaskFunction",
    "TaskOutput",
    "ValidArg",
    // What other values contain, or what other functions return.
    "BodyLimit",
    "BoxFuture",
    "CollectedBytes",
    "ContentCoding",
    "DescribedBody",
    "DescribedHeader",
    "DescribedResponse",
    "Description",
    "EndpointService",
    "Field",
    "FileNumber",
    "FormFields",
    "NoRoute",
    "PemOrigin",
    "ResponseFuture",
    "RouteMatch",
    "RouteMethod",
    "RouterService",
    "SkipPathArg",
    // Modules, each with a page of its own.
    "headers",
    "reconnect",
    "time",
    // Types of other crates, which document them.
    "Bytes",
    "Cookie",
    "CookieBuilder",
    "Expiration",
    "HeaderMap",
    "HeaderName",
    "HeaderValue",
    "Method",
    "SameSite",
    "StatusCode",
    "Uri",
    "Utf8Bytes",
    "Version",
    "header",
];

/// Adds every export and every method that has no example.
pub(super) fn check(files: &[SourceFile], found: &mut Vec<String>) {
    let sources: Vec<(&str, &str)> = files
        .iter()
        .filter(|file| file.path.starts_with(SOURCES) && file.path.ends_with(".rs"))
        .filter_map(|file| Some((file.path.as_str(), file.text.as_deref()?)))
        .collect();
    let Some((_, contents)) = sources.iter().find(|(path, _)| *path == CONTENTS) else {
        return;
    };
    let contents = contents.split(PRIVATE).next().unwrap_or_default();
    let (mut shown, mut code) = (BTreeSet::new(), String::new());
    let mut methods = Vec::new();
    for (path, text) in &sources {
        for item in items(text) {
            if item.has_example() {
                shown.extend(item.names());
                code.push_str(&item.doc);
            }
            // The macros expand to their own functions, and users do not call them.
            let is_macro = path.starts_with(MACROS);
            if let Some(method) = item.method().filter(|_| !is_macro) {
                methods.push((*path, item.line, method));
            }
        }
    }
    let mut missing: BTreeSet<&str> = BTreeSet::new();
    for item in items(contents).iter().filter(|item| item.code.starts_with("pub use ")) {
        missing.extend(exported(contents, item).into_iter().filter(|name| {
            let is_error = ERROR_ENDINGS.iter().any(|ending| name.ends_with(ending));
            let is_constant =
                name.chars().all(|c| c.is_uppercase() || c.is_ascii_digit() || c == '_');
            !(is_error || is_constant || NEVER_WRITTEN.contains(name) || shown.contains(*name))
        }));
    }
    found.extend(missing.into_iter().map(|name| {
        format!("{CONTENTS}: `{name}` has no example: write one before its declaration, or before its `pub use` in {SOURCES}exports")
    }));
    for (path, line, method) in methods {
        if !code.contains(&format!("{method}(")) && !code.contains(&format!("{method}::<")) {
            found.push(format!(
                "{path}:{line}: no example of the crate calls `{method}`: write one, or add it to one"
            ));
        }
    }
}

/// A declaration, or a `pub use`, with the text before it.
struct Item {
    line: usize,
    doc: String,
    /// From the first word to the `;` or `{`, without line breaks.
    code: String,
    indent: usize,
    is_hidden: bool,
}

impl Item {
    fn has_example(&self) -> bool {
        self.doc.contains("```")
    }

    /// The names that the item declares or exports.
    fn names(&self) -> Vec<String> {
        if let Some(path) = self.code.strip_prefix("pub use ") {
            return last_names(path).map(str::to_owned).collect();
        }
        let mut words = self.code.split(|c: char| !c.is_alphanumeric() && c != '_');
        let keywords = ["struct", "enum", "trait", "fn", "type"];
        let name = words.find(|word| keywords.contains(word)).and_then(|_| words.next());
        name.map(str::to_owned).into_iter().collect()
    }

    /// The name of a public method that users see.
    fn method(&self) -> Option<String> {
        let is_public = self.code.starts_with("pub ") && self.code.contains("fn ");
        (is_public && self.indent == 4 && !self.is_hidden).then(|| self.names().pop())?
    }
}

/// The items of a file in the order of its lines. Tests, which are last, are left out.
fn items(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let (mut doc, mut is_hidden) = (String::new(), false);
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("mod tests") {
            break;
        }
        if let Some(text) = trimmed.strip_prefix("///") {
            doc.push_str(text);
            doc.push('\n');
        } else if trimmed.starts_with("#[doc(hidden)]") {
            is_hidden = true;
        } else if trimmed.starts_with('#') || trimmed.starts_with("//") {
        } else {
            let mut code = trimmed.to_owned();
            if trimmed.starts_with("pub use ") {
                while !code.contains(';') {
                    let Some((_, next)) = lines.next() else { break };
                    code.push_str(next.trim());
                }
            }
            if trimmed.starts_with("pub ") || trimmed.starts_with("pub(crate) ") {
                let indent = line.len() - trimmed.len();
                let doc = std::mem::take(&mut doc);
                items.push(Item { line: number + 1, doc, code, indent, is_hidden });
            }
            doc.clear();
            is_hidden = false;
        }
    }
    items
}

/// The names at the ends of the paths of a `use`: of `a::{b::C, d}` they are `C` and `d`.
fn last_names(path: &str) -> impl Iterator<Item = &str> {
    path.trim_end_matches(';')
        .split(['{', '}', ','])
        .map(|part| part.trim().rsplit("::").next().unwrap_or_default())
        .filter(|name| !name.is_empty() && *name != "*")
}

/// The names of a `pub use`, as parts of the text that it is in.
fn exported<'a>(text: &'a str, item: &Item) -> Vec<&'a str> {
    let start: usize = text.split_inclusive('\n').take(item.line - 1).map(str::len).sum();
    let rest = text[start..].trim_start().strip_prefix("pub use ").unwrap_or_default();
    last_names(rest.split(';').next().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_sources(contents: &str, other: &str, expect: &[&str]) {
        let file = |path: &str, text: &str| SourceFile {
            path: path.into(),
            bytes: 0,
            text: Some(text.into()),
        };
        let files = [file(CONTENTS, contents), file("crates/volga/src/exports/hub.rs", other)];
        let mut found = Vec::new();
        check(&files, &mut found);
        let fits = found.len() == expect.len()
            && found.iter().zip(expect).all(|(one, part)| one.contains(part));
        assert!(fits, "expected {expect:#?}, found {found:#?}");
    }

    #[test]
    fn an_export_has_an_example_at_its_declaration_or_its_use() {
        let example = "/// Text.\n///\n/// ```\n/// use volga::Hub;\n/// ```\n";
        let contents = "pub use exports::{\n    hub::Hub,\n    Wheel,\n};\n";
        let used = format!("{example}#[cfg(x)]\npub use other::{{Hub, Wheel}};\n");
        check_sources(contents, &used, &[]);
        let declared = format!("{example}pub struct Hub;\n\n/// Text.\npub struct Wheel;\n");
        check_sources(contents, &declared, &["`Wheel` has no example"]);
        check_sources(contents, "", &["`Hub` has no example", "`Wheel`"]);
    }

    #[test]
    fn errors_constants_and_private_exports_need_none() {
        check_sources("pub use other::{OpenError, MAX_V6_HUBS, Handler, limits::*};\n", "", &[]);
        check_sources("pub mod __private {\n    pub use other::Hub;\n}\n", "", &[]);
    }

    #[test]
    fn a_method_is_called_in_some_example() {
        let method = "impl Hub {\n    /// Opens it.\n    pub fn open(&self) {}\n}\n";
        check_sources("", method, &["hub.rs:3: no example of the crate calls `open`"]);
        let example = "/// ```\n/// hub.open();\n/// ```\npub struct Hub;\n";
        check_sources("", &format!("{example}{method}"), &[]);
        let hidden = method.replace("    pub fn", "    #[doc(hidden)]\n    pub fn");
        check_sources("", &hidden, &[]);
        check_sources("", &method.replace("pub fn", "pub(crate) fn"), &[]);
    }
}

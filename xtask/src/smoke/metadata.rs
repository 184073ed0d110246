//! `[package.metadata.smoke]`: what an example's manifest says about a run of it (pure).

use std::collections::BTreeMap;

use crate::tools::Failure;

/// The table as the manifest has it: a text is a list of one.
pub(crate) type Table = BTreeMap<String, Vec<String>>;

/// How to run an example and what must come of it.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Smoke {
    pub(super) expect: Expect,
    pub(super) args: Vec<String>,
    pub(super) stdin: Option<String>,
    pub(super) exit: Exit,
}

#[derive(Debug, Eq, PartialEq)]
pub(super) enum Expect {
    /// A server: this page answers with this text.
    Page { url: String, contains: String },
    /// A program that finishes: it writes this text.
    Output { contains: String },
}

/// How a server ends at SIGTERM.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Exit {
    /// With code 0, in time.
    Clean,
    /// Somehow: it is killed.
    Any,
}

const KEYS: &str = "url, contains, stdout-contains, args, stdin, exit";

impl Smoke {
    /// Reads the table.
    ///
    /// # Errors
    /// A key that is missing or not known, or a value that makes no sense.
    pub(super) fn parse(table: &Table) -> Result<Self, Failure> {
        if let Some(key) = table.keys().find(|key| !KEYS.split(", ").any(|known| known == *key)) {
            return Err(Failure::new(format!(
                "[package.metadata.smoke] has `{key}`, known are {KEYS}"
            )));
        }
        let text = |key: &str| table.get(key).and_then(|list| list.first()).cloned();
        let expect = match (text("url"), text("contains"), text("stdout-contains")) {
            (Some(url), Some(contains), None) => Expect::Page { url, contains },
            (None, None, Some(contains)) => Expect::Output { contains },
            _ => {
                return Err(Failure::new(
                    "[package.metadata.smoke] wants `url` and `contains`, or `stdout-contains` alone",
                ));
            }
        };
        let exit = match text("exit").as_deref() {
            None | Some("clean") => Exit::Clean,
            Some("any") => Exit::Any,
            Some(other) => {
                return Err(Failure::new(format!("`exit` is \"clean\" or \"any\", not {other:?}")));
            }
        };
        Ok(Self {
            expect,
            args: table.get("args").cloned().unwrap_or_default(),
            stdin: text("stdin"),
            exit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(keys: &[(&str, &[&str])]) -> Result<Smoke, Failure> {
        let list = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        Smoke::parse(&keys.iter().map(|(key, values)| ((*key).to_owned(), list(values))).collect())
    }

    #[test]
    fn a_server_has_a_page_and_ends_cleanly_unless_it_says_otherwise() {
        let smoke = parse(&[
            ("url", &["http://localhost:1/"]),
            ("contains", &["hi"]),
            ("args", &["a", "b"]),
        ])
        .unwrap();
        assert_eq!(
            smoke.expect,
            Expect::Page { url: "http://localhost:1/".into(), contains: "hi".into() }
        );
        assert_eq!((smoke.args.len(), smoke.stdin, smoke.exit), (2, None, Exit::Clean));
        let smoke =
            parse(&[("url", &["http://localhost:1/"]), ("contains", &["hi"]), ("exit", &["any"])])
                .unwrap();
        assert_eq!(smoke.exit, Exit::Any);
    }

    #[test]
    fn a_program_has_an_output() {
        let smoke = parse(&[("stdout-contains", &["hi"]), ("stdin", &["data: x\n\n"])]).unwrap();
        assert_eq!(smoke.expect, Expect::Output { contains: "hi".into() });
        assert_eq!(smoke.stdin.as_deref(), Some("data: x\n\n"));
    }

    #[test]
    fn what_is_missing_or_misspelt_is_named() {
        for (keys, named) in [
            (&[] as &[(&str, &[&str])], "`url`"),
            (&[("url", &["http://localhost/"])], "`contains`"),
            (&[("url", &["u"]), ("contains", &["c"]), ("stdout-contains", &["c"])], "alone"),
            (&[("stdout-contains", &["c"]), ("exit", &["dirty"])], "\"dirty\""),
            (&[("stdout-contain", &["c"])], "`stdout-contain`"),
        ] {
            let failure = parse(keys).expect_err(named).to_string();
            assert!(failure.contains(named), "{failure}");
        }
    }
}

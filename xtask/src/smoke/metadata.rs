//! Parses `[package.metadata.smoke]`, in which an example's manifest says how to run the example
//! and what to expect (pure).

use std::collections::BTreeMap;

use crate::tools::Failure;

/// The table of the manifest. A single string is a list with one element.
pub(crate) type Table = BTreeMap<String, Vec<String>>;

/// How to run an example, and the expected result.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Smoke {
    pub(super) expect: Expectation,
    pub(super) args: Vec<String>,
    pub(super) stdin: Option<String>,
    pub(super) exit: Exit,
}

#[derive(Debug, Eq, PartialEq)]
pub(super) enum Expectation {
    /// The example is a server. The response of this page contains this text.
    Page { url: String, contains: String },
    /// The example is a program that finishes. Its output contains this text.
    Output { contains: String },
}

/// How a server must end after SIGTERM.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Exit {
    /// With code 0, within the time limit.
    Clean,
    /// The end is not tested: the test kills the server.
    Any,
}

const KEYS: &str = "url, contains, stdout-contains, args, stdin, exit";

impl Smoke {
    /// Reads the table.
    ///
    /// # Errors
    /// Fails when a key is missing or unknown, or when a value is not one of the expected ones.
    pub(super) fn parse(table: &Table) -> Result<Self, Failure> {
        if let Some(key) = table.keys().find(|key| !KEYS.split(", ").any(|known| known == *key)) {
            return Err(Failure::new(format!(
                "[package.metadata.smoke] has the unknown key `{key}`; the known keys are {KEYS}"
            )));
        }
        let text = |key: &str| table.get(key).and_then(|list| list.first()).cloned();
        let expect = match (text("url"), text("contains"), text("stdout-contains")) {
            (Some(url), Some(contains), None) => Expectation::Page { url, contains },
            (None, None, Some(contains)) => Expectation::Output { contains },
            _ => {
                return Err(Failure::new(
                    "[package.metadata.smoke] needs `url` and `contains`, or `stdout-contains` alone",
                ));
            }
        };
        let exit = match text("exit").as_deref() {
            None | Some("clean") => Exit::Clean,
            Some("any") => Exit::Any,
            Some(other) => {
                return Err(Failure::new(format!(
                    "`exit` must be \"clean\" or \"any\", not {other:?}"
                )));
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
            Expectation::Page { url: "http://localhost:1/".into(), contains: "hi".into() }
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
        assert_eq!(smoke.expect, Expectation::Output { contains: "hi".into() });
        assert_eq!(smoke.stdin.as_deref(), Some("data: x\n\n"));
    }

    #[test]
    fn an_error_names_the_missing_or_unknown_key() {
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

//! Which departures from the standard are expected.

use std::error::Error;

use serde::Deserialize;

use crate::outcome::Outcome;

pub(crate) struct Departures(Vec<Departure>);

/// Something that a client or encoder is known to do otherwise.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Departure {
    of: String,
    cases: Vec<String>,
    /// What it does, for the guide's table.
    what: String,
    /// Why, for those who wonder whether it is still so.
    #[expect(dead_code, reason = "it is for people; that it is there is checked by reading it")]
    because: String,
}

impl Departures {
    pub(crate) fn read() -> Result<Self, Box<dyn Error>> {
        Ok(Self(serde_json::from_str(include_str!("../departures.json"))?))
    }

    /// Every departure that was not expected, and every expected one that did not happen; `skipped` did not run.
    pub(crate) fn compare(&self, outcomes: &[Outcome], skipped: &[&str]) -> Vec<String> {
        let mut problems = Vec::new();
        for outcome in outcomes {
            for result in &outcome.results {
                let expected = self.of(outcome.name, &result.case).is_some();
                match &result.departure {
                    Some(what) if !expected => problems
                        .push(format!("unexpected: {}, {}: {what}", outcome.name, result.case)),
                    None if expected => problems.push(format!(
                        "no longer so: {}, {}: is as the standard says",
                        outcome.name, result.case
                    )),
                    _ => {}
                }
            }
        }
        for departure in &self.0 {
            let of = &*departure.of;
            if skipped.contains(&of) {
                continue;
            }
            for case in &departure.cases {
                let ran = outcomes.iter().filter(|outcome| outcome.name == of);
                if !ran.flat_map(|outcome| &outcome.results).any(|result| result.case == *case) {
                    problems.push(format!("departures.json: {of} was not given `{case}`"));
                }
            }
        }
        problems
    }

    /// What a client does otherwise, each thing once.
    pub(crate) fn of_client(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |departure| departure.of == name)
            .map(|departure| &*departure.what)
    }

    fn of(&self, name: &str, case: &str) -> Option<&Departure> {
        self.0
            .iter()
            .find(|departure| departure.of == name && departure.cases.iter().any(|one| one == case))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{CaseResult, Kind};

    #[track_caller]
    fn check(departure: Option<&str>, case: &str, expect: &[&str]) {
        let departures = Departures(vec![Departure {
            of: "client".into(),
            cases: vec!["known".into()],
            what: "it stumbles".into(),
            because: "a test".into(),
        }]);
        let result = |case: &str, departure: Option<&str>| CaseResult {
            case: case.to_owned(),
            departure: departure.map(str::to_owned),
        };
        let mut results = vec![result(case, departure)];
        if case != "known" {
            results.push(result("known", Some("x")));
        }
        let outcome =
            Outcome { kind: Kind::Reader, name: "client", version: String::new(), results };
        let found = departures.compare(&[outcome], &[]);
        assert_eq!(found.len(), expect.len(), "{found:?}");
        assert!(
            found.iter().zip(expect).all(|(found, expect)| found.contains(expect)),
            "{found:?}"
        );
    }

    #[test]
    fn only_what_is_listed_may_and_must_depart() {
        check(Some("x"), "known", &[]);
        check(None, "new", &[]);
        check(Some("x"), "new", &["unexpected: client, new: x"]);
        check(None, "known", &["no longer so: client, known"]);
    }

    #[test]
    fn a_listed_case_exists_unless_its_client_was_skipped() {
        let departures = Departures(vec![Departure {
            of: "client".into(),
            cases: vec!["gone".into()],
            what: String::new(),
            because: String::new(),
        }]);
        assert_eq!(departures.compare(&[], &[]).len(), 1);
        assert_eq!(departures.compare(&[], &["client"]).len(), 0);
    }
}

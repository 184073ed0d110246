//! The known departures from the standard.

use std::error::Error;

use serde::Deserialize;

use crate::outcome::Outcome;

pub(crate) struct Departures(Vec<Departure>);

/// A known departure of a client or encoder.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Departure {
    of: String,
    cases: Vec<String>,
    /// Its behaviour, for the guide's table.
    what: String,
    /// The reason, for people who want to check whether the departure is still there.
    #[expect(dead_code, reason = "it is for people; reading the file checks that it is there")]
    because: String,
}

impl Departures {
    pub(crate) fn read() -> Result<Self, Box<dyn Error>> {
        Ok(Self(serde_json::from_str(include_str!("../departures.json"))?))
    }

    /// Returns a text for every departure that is not listed, and for every listed one that did not
    /// happen. The clients in `skipped` did not run.
    pub(crate) fn compare(&self, outcomes: &[Outcome], skipped: &[&str]) -> Vec<String> {
        let mut problems = Vec::new();
        for outcome in outcomes {
            for result in &outcome.results {
                let expected = self.of(outcome.name, &result.case).is_some();
                match &result.departure {
                    Some(what) if !expected => problems
                        .push(format!("not listed: {}, {}: {what}", outcome.name, result.case)),
                    None if expected => problems.push(format!(
                        "no longer true: {}, {}: obeys the standard",
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
                    problems.push(format!("departures.json: {of} did not run the case `{case}`"));
                }
            }
        }
        problems
    }

    /// The departures of a client, each of them once.
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
    fn a_listed_departure_must_happen_and_no_other_may() {
        check(Some("x"), "known", &[]);
        check(None, "new", &[]);
        check(Some("x"), "new", &["not listed: client, new: x"]);
        check(None, "known", &["no longer true: client, known"]);
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

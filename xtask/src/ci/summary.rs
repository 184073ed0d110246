//! The table at the end of a run: how each step ended, and after how many minutes (pure).

use std::time::Duration;

/// A step of the run.
pub(super) struct Ended {
    pub(super) name: &'static str,
    pub(super) time: Duration,
    pub(super) result: Ending,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    Passed,
    /// This machine lacks what the step needs.
    Skipped,
    Failed,
    /// A step before it failed.
    NotRun,
}

/// The table, with the minutes of all steps in its last line.
pub(super) fn table(steps: &[Ended]) -> String {
    let mut table = format!("{:<13}{:>9}  {}", "step", "minutes", "result");
    for step in steps {
        let (minutes, result) = match step.result {
            Ending::Passed => (minutes(step.time), "passed"),
            Ending::Skipped => ("-".to_owned(), "skipped"),
            Ending::Failed => (minutes(step.time), "FAILED"),
            Ending::NotRun => ("-".to_owned(), "not run"),
        };
        table += &format!("\n{:<13}{minutes:>9}  {result}", step.name);
    }
    let total = steps.iter().map(|step| step.time).sum();
    let failed = steps.iter().filter(|step| step.result == Ending::Failed).count();
    let result = match failed {
        0 => "passed".to_owned(),
        failed => format!("{failed} FAILED"),
    };
    table + &format!("\n{:<13}{:>9}  {result}", "all", minutes(total))
}

fn minutes(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() / 60.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(name: &'static str, seconds: u64, result: Ending) -> Ended {
        Ended { name, time: Duration::from_secs(seconds), result }
    }

    #[test]
    fn each_step_has_its_minutes_and_its_result() {
        let steps = [
            ended("fmt", 3, Ending::Passed),
            ended("test", 754, Ending::Passed),
            ended("fuzz", 0, Ending::Skipped),
        ];
        assert_eq!(
            table(&steps),
            "step           minutes  result\n\
             fmt                0.1  passed\n\
             test              12.6  passed\n\
             fuzz                 -  skipped\n\
             all               12.6  passed"
        );
    }

    #[test]
    fn a_failure_shows_where_it_is_and_what_did_not_run() {
        let steps = [
            ended("fmt", 6, Ending::Passed),
            ended("clippy", 60, Ending::Failed),
            ended("test", 0, Ending::NotRun),
        ];
        assert_eq!(
            table(&steps),
            "step           minutes  result\n\
             fmt                0.1  passed\n\
             clippy             1.0  FAILED\n\
             test                 -  not run\n\
             all                1.1  1 FAILED"
        );
    }
}

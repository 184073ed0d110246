//! The table at the end of a run: the result of each step, and its time in minutes (pure).

use std::time::Duration;

/// The result of one step of the run.
pub(super) struct StepResult {
    pub(super) name: &'static str,
    pub(super) time: Duration,
    pub(super) outcome: Outcome,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Passed,
    /// A program that the step needs is missing on this machine.
    Skipped,
    Failed,
    /// An earlier step failed.
    NotRun,
}

/// The table. Its last line has the minutes of all steps together.
pub(super) fn table(steps: &[StepResult]) -> String {
    let mut table = format!("{:<13}{:>9}  {}", "step", "minutes", "result");
    for step in steps {
        let (minutes, result) = match step.outcome {
            Outcome::Passed => (minutes(step.time), "passed"),
            Outcome::Skipped => ("-".to_owned(), "skipped"),
            Outcome::Failed => (minutes(step.time), "FAILED"),
            Outcome::NotRun => ("-".to_owned(), "not run"),
        };
        table += &format!("\n{:<13}{minutes:>9}  {result}", step.name);
    }
    let total = steps.iter().map(|step| step.time).sum();
    let failed = steps.iter().filter(|step| step.outcome == Outcome::Failed).count();
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

    fn step(name: &'static str, seconds: u64, outcome: Outcome) -> StepResult {
        StepResult { name, time: Duration::from_secs(seconds), outcome }
    }

    #[test]
    fn each_step_has_its_minutes_and_its_result() {
        let steps = [
            step("fmt", 3, Outcome::Passed),
            step("test", 754, Outcome::Passed),
            step("fuzz", 0, Outcome::Skipped),
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
    fn the_table_shows_the_step_that_failed_and_those_that_did_not_run() {
        let steps = [
            step("fmt", 6, Outcome::Passed),
            step("clippy", 60, Outcome::Failed),
            step("test", 0, Outcome::NotRun),
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

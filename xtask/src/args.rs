//! Parses the command line (pure).
//!
//! The parser is written by hand, because the command line has a handful of forms only.

use crate::{
    ci::{self, Choice},
    tools::Failure,
};

/// A command that the caller asked for.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Command {
    /// No argument, or `help`.
    Help,
    /// `ci --list`
    List,
    /// `ci`, `ci --all`, `ci --only NAMES`, or one step by its name.
    Ci(Choice),
    /// `api --write`
    WriteApi,
    /// `bench`, with the arguments for the laboratory or for `cargo bench`.
    Bench { args: Vec<String> },
    /// `abuse`, with the arguments for the laboratory.
    Abuse { args: Vec<String> },
}

impl Command {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// Names the first argument that is not known, and the command that lists the known ones.
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, Failure> {
        let mut args = args.into_iter();
        let Some(command) = args.next() else {
            return Ok(Self::Help);
        };
        match command.as_str() {
            help if help == "help" || is_help(help) => expect_end(args, Self::Help),
            "ci" => parse_ci(args),
            "bench" | "abuse" => {
                let args: Vec<_> = args.collect();
                // Otherwise a question about the command would build everything and begin to
                // measure.
                let asks = args.iter().take_while(|arg| *arg != "--").any(|arg| is_help(arg));
                Ok(match command.as_str() {
                    _ if asks => Self::Help,
                    "bench" => Self::Bench { args },
                    _ => Self::Abuse { args },
                })
            }
            "api" => match args.next().as_deref() {
                None => Ok(Self::Ci(Choice::Named(vec![command]))),
                Some("--write") => expect_end(args, Self::WriteApi),
                Some(other) => Err(unexpected(other)),
            },
            name if ci::STEPS.iter().any(|step| step.name == name) => {
                expect_end(args, Self::Ci(Choice::Named(vec![command])))
            }
            _ => Err(Failure::new(format!(
                "unknown command `{command}`: `cargo xtask` lists the commands"
            ))),
        }
    }
}

fn is_help(arg: &str) -> bool {
    arg == "-h" || arg == "--help"
}

fn parse_ci(mut args: impl Iterator<Item = String>) -> Result<Command, Failure> {
    match args.next().as_deref() {
        None => Ok(Command::Ci(Choice::Everyday)),
        Some("--all") => expect_end(args, Command::Ci(Choice::All)),
        Some("--list") => expect_end(args, Command::List),
        Some("--only") => {
            let names = args.next().ok_or_else(|| {
                Failure::new("`--only` needs names of steps: cargo xtask ci --only fmt,clippy")
            })?;
            let names = parse_names(&names)?;
            expect_end(args, Command::Ci(Choice::Named(names)))
        }
        Some(other) => Err(unexpected(other)),
    }
}

fn parse_names(names: &str) -> Result<Vec<String>, Failure> {
    names
        .split(',')
        .map(|name| {
            if ci::STEPS.iter().any(|step| step.name == name) {
                Ok(name.to_owned())
            } else {
                Err(Failure::new(format!(
                    "unknown step `{name}`: `cargo xtask ci --list` lists the steps"
                )))
            }
        })
        .collect()
}

fn expect_end(
    mut args: impl Iterator<Item = String>,
    command: Command,
) -> Result<Command, Failure> {
    match args.next() {
        None => Ok(command),
        Some(extra) => Err(unexpected(&extra)),
    }
}

fn unexpected(arg: &str) -> Failure {
    Failure::new(format!("unexpected argument `{arg}`: `cargo xtask` lists the commands"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, Failure> {
        Command::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn each_form_is_parsed() {
        assert_eq!(parse("").unwrap(), Command::Help);
        assert_eq!(parse("ci").unwrap(), Command::Ci(Choice::Everyday));
        assert_eq!(parse("ci --all").unwrap(), Command::Ci(Choice::All));
        assert_eq!(parse("ci --list").unwrap(), Command::List);
        assert_eq!(
            parse("ci --only fmt,tidy").unwrap(),
            Command::Ci(Choice::Named(vec!["fmt".into(), "tidy".into()]))
        );
        assert_eq!(parse("tidy").unwrap(), Command::Ci(Choice::Named(vec!["tidy".into()])));
        assert_eq!(parse("api").unwrap(), Command::Ci(Choice::Named(vec!["api".into()])));
        assert_eq!(parse("api --write").unwrap(), Command::WriteApi);
        for line in ["help", "-h", "--help", "bench --help", "bench --quick -h", "abuse --help"] {
            assert_eq!(parse(line).unwrap(), Command::Help, "{line}");
        }
        assert_eq!(
            parse("bench -- --help").unwrap(),
            Command::Bench { args: vec!["--".into(), "--help".into()] }
        );
        assert_eq!(
            parse("bench -- short").unwrap(),
            Command::Bench { args: vec!["--".into(), "short".into()] }
        );
    }

    #[test]
    fn an_error_names_the_unknown_argument() {
        for (line, named) in [
            ("tidi", "`tidi`"),
            ("tidy now", "`now`"),
            ("ci --onyl fmt", "`--onyl`"),
            ("ci --only", "`--only`"),
            ("ci --only fmt,", "``"),
            ("ci --only fmt,clipy", "`clipy`"),
            ("ci --list all", "`all`"),
            ("ci --all fmt", "`fmt`"),
            ("api --wirte", "`--wirte`"),
            ("api --write all", "`all`"),
        ] {
            let failure = parse(line).expect_err(line);
            assert!(failure.to_string().contains(named), "{line}: {failure}");
        }
    }
}

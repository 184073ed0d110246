//! The command line, parsed by hand: it has three options (pure).

use crate::{failure::Failure, rows::ROWS};

/// What to run.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Args {
    /// Small sizes and one round: it shows that all of it works, and no figure worth keeping.
    pub(crate) quick: bool,
    /// Names of rows; none for all.
    pub(crate) only: Vec<String>,
    /// Names of servers; none for all.
    pub(crate) servers: Vec<String>,
    pub(crate) rounds: Option<usize>,
}

pub(crate) const HELP: &str = "\
cargo xtask bench [--quick] [--only ROW,ROW] [--servers NAME,NAME] [--rounds N]

  --quick     small sizes and one round: shows that all of it works
  --only      these rows, and no results file
  --servers   these servers, and no results file
  --rounds    so many rounds, 5 by default";

impl Args {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    ///
    /// Names the first that is not understood.
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, Failure> {
        let mut parsed = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let mut value = || {
                args.next().ok_or_else(|| Failure::new(format!("`{arg}` wants a value\n\n{HELP}")))
            };
            match arg.as_str() {
                "--quick" => parsed.quick = true,
                "--only" => {
                    let rows: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
                    parsed.only = names(&value()?, "row", &rows)?;
                }
                "--servers" => {
                    let servers: Vec<&str> =
                        crate::peer::PEERS.iter().map(|peer| peer.name).collect();
                    parsed.servers = names(&value()?, "server", &servers)?;
                }
                "--rounds" => {
                    let text = value()?;
                    let rounds = text.parse().ok().filter(|rounds| *rounds > 0);
                    parsed.rounds =
                        Some(rounds.ok_or_else(|| {
                            Failure::new(format!("`{text}` is no number of rounds"))
                        })?);
                }
                _ => return Err(Failure::new(format!("did not expect `{arg}`\n\n{HELP}"))),
            }
        }
        Ok(parsed)
    }

    /// Whether everything is run in full, so that the results may be kept.
    pub(crate) fn is_whole(&self) -> bool {
        !self.quick && self.only.is_empty() && self.servers.is_empty()
    }
}

fn names(list: &str, what: &str, known: &[&str]) -> Result<Vec<String>, Failure> {
    list.split(',')
        .map(|name| {
            if known.contains(&name) {
                Ok(name.to_owned())
            } else {
                Err(Failure::new(format!("no {what} `{name}`; there are {}", known.join(", "))))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, Failure> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn each_option_is_understood() {
        assert_eq!(parse("").expect("nothing"), Args::default());
        let all = parse("--quick --only idle,churn --rounds 3 --servers volga,limit");
        let expected = Args {
            quick: true,
            only: vec!["idle".into(), "churn".into()],
            servers: vec!["volga".into(), "limit".into()],
            rounds: Some(3),
        };
        assert_eq!(all.expect("all options"), expected);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, named) in [
            ("--fast", "`--fast`"),
            ("--only idel", "`idel`"),
            ("--only", "`--only`"),
            ("--rounds 0", "`0`"),
            ("--servers apache", "`apache`"),
        ] {
            let failure = parse(line).expect_err(line);
            assert!(failure.to_string().contains(named), "{line}: {failure}");
        }
    }
}

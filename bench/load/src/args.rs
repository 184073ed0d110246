//! Parses the command line (pure). The parser is written by hand, because there are few options.

use std::path::PathBuf;

use crate::{failure::Failure, rows};

/// The options of a run.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Args {
    /// Small sizes and one round. This shows that everything works; its figures are not worth
    /// keeping.
    pub(crate) quick: bool,
    /// Run the rows in which clients attack, in place of the others.
    pub(crate) abuse: bool,
    /// Run the rows of several nodes, in place of the others.
    pub(crate) nodes: bool,
    /// Fail if a bound of our server does not hold: a pass line that compares with no other server.
    pub(crate) bounds: bool,
    /// Write the attacks as inputs of the fuzz target `http2` into this folder, and run nothing.
    pub(crate) corpus: Option<PathBuf>,
    /// Names of rows. An empty list means all rows.
    pub(crate) only: Vec<String>,
    /// Names of servers. An empty list means all servers.
    pub(crate) servers: Vec<String>,
    pub(crate) rounds: Option<usize>,
    /// The number of whole runs, one after another.
    pub(crate) runs: Option<usize>,
    /// Profile the CPU time of our server, in place of measuring figures.
    pub(crate) profile: bool,
    /// The program of our server at an earlier revision, which runs as a server of its own.
    pub(crate) before: Option<PathBuf>,
    /// The worker threads of each Rust server's runtime. Without it the runtime is a
    /// current-thread one.
    pub(crate) workers: Option<usize>,
}

pub(crate) const HELP: &str = "\
cargo xtask bench [--quick] [--only ROW,ROW] [--servers NAME,NAME] [--rounds N] [--runs N]
cargo xtask abuse [--quick] [--bounds] [--only ROW,ROW] [--servers NAME,NAME] [--rounds N]
cargo xtask bench --nodes [--quick] [--only ROW,ROW] [--rounds N] [--runs N]
cargo xtask bench --against REVISION [--workers N] [--only ROW,ROW] [--rounds N]
cargo xtask bench --profile [--only ROW,ROW]

  --quick     small sizes and one round: shows that all of it works
  --only      these rows, and no results file
  --abuse     the rows in which clients attack, in place of the others: `cargo xtask abuse`
  --nodes     the rows of several nodes with a real Redis, in place of the others
  --bounds    fail if a bound of volga does not hold, such as that of its memory
  --servers   these servers, and no results file
  --rounds    so many rounds, 5 by default
  --runs      so many whole runs, 1 by default: the pass lines hold in each, or do not
  --workers   a multi-thread runtime with N workers in each Rust server, and no results file;
              from two workers on, servers are not kept on one core
  --against   volga as it was at this revision of git, as the server `before`, in turns with volga
  --profile   where the CPU time of volga goes, by perf, in place of figures";

impl Args {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    ///
    /// Names the first argument that is not known.
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, Failure> {
        let mut parsed = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let mut value = || {
                args.next().ok_or_else(|| Failure::new(format!("`{arg}` needs a value\n\n{HELP}")))
            };
            match arg.as_str() {
                "--quick" => parsed.quick = true,
                "--abuse" => parsed.abuse = true,
                "--nodes" => parsed.nodes = true,
                "--bounds" => parsed.bounds = true,
                "--write-corpus" => parsed.corpus = Some(value()?.into()),
                "--only" => {
                    let rows: Vec<&str> = rows::all().map(|row| row.name).collect();
                    parsed.only = names(&value()?, "row", &rows)?;
                }
                "--servers" => {
                    let servers: Vec<&str> =
                        crate::peer::PEERS.iter().map(|peer| peer.name).collect();
                    parsed.servers = names(&value()?, "server", &servers)?;
                }
                "--rounds" => parsed.rounds = Some(number(&value()?, "rounds")?),
                "--runs" => parsed.runs = Some(number(&value()?, "runs")?),
                "--workers" => parsed.workers = Some(number(&value()?, "workers")?),
                "--before" => parsed.before = Some(value()?.into()),
                "--profile" => parsed.profile = true,
                _ => return Err(Failure::new(format!("unexpected argument `{arg}`\n\n{HELP}"))),
            }
        }
        Ok(parsed)
    }

    /// Whether this is a full run of all rows and servers, so that its results may be kept.
    pub(crate) fn is_whole(&self) -> bool {
        let has_all_rows_and_servers = self.only.is_empty() && self.servers.is_empty();
        !self.quick && has_all_rows_and_servers && self.workers.is_none() && self.before.is_none()
    }
}

fn number(text: &str, what: &str) -> Result<usize, Failure> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| Failure::new(format!("`{text}` is not a number of {what}")))
}

fn names(list: &str, what: &str, known: &[&str]) -> Result<Vec<String>, Failure> {
    list.split(',')
        .map(|name| {
            if known.contains(&name) {
                Ok(name.to_owned())
            } else {
                Err(Failure::new(format!(
                    "unknown {what} `{name}`; the known ones are {}",
                    known.join(", ")
                )))
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
        let all = parse(
            "--quick --only idle,churn --rounds 3 --runs 2 --servers volga,limit --profile --abuse --nodes \
             --bounds --write-corpus target/corpus \
             --workers 2 --before target/bench-volga",
        );
        let expected = Args {
            quick: true,
            abuse: true,
            nodes: true,
            bounds: true,
            corpus: Some("target/corpus".into()),
            only: vec!["idle".into(), "churn".into()],
            servers: vec!["volga".into(), "limit".into()],
            rounds: Some(3),
            runs: Some(2),
            profile: true,
            before: Some("target/bench-volga".into()),
            workers: Some(2),
        };
        assert_eq!(all.expect("all options"), expected);
    }

    #[test]
    fn an_unknown_argument_is_named() {
        for (line, named) in [
            ("--fast", "`--fast`"),
            ("--only idel", "`idel`"),
            ("--only", "`--only`"),
            ("--rounds 0", "`0`"),
            ("--runs two", "`two`"),
            ("--servers apache", "`apache`"),
            ("--workers 0", "`0`"),
            ("--before", "`--before`"),
        ] {
            let failure = parse(line).expect_err(line);
            assert!(failure.to_string().contains(named), "{line}: {failure}");
        }
    }
}

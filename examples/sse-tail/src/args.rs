//! The command line (pure).

use std::{num::NonZeroU64, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::target::Target;

pub(crate) const HELP: &str = "\
sse-tail [OPTIONS] URL    print the events of a stream, one JSON object a line
sse-tail [--max N] -      decode standard input instead of a stream

  -H, --header 'name: value'  send this header; may be given several times
      --http2                 speak HTTP/2 from the first byte (prior knowledge)
      --max N                 stop after N events
      --timeout S             stop after S seconds, such as 10 or 0.5
  -h, --help                  print this

An event is {\"event\":…,\"data\":…,\"id\":…}; id is the last event ID at that time. When the stream ends or breaks,
sse-tail returns after the reconnection time, with Last-Event-ID; failures in a row double the wait, up to a
minute. It stops when the server answers 204. The URL is http:// for now.

Standard input ends with {\"final\":true,\"last_event_id\":…,\"retry\":…}, retry in milliseconds or null.
CHUNK=n in the environment gives the decoder n bytes at a time; 0, or no CHUNK, all that there is at once.
NO_COLOR switches colours off; there are none but on a terminal.

Exit codes:
  0  the server has no more events (204), the input ended, or --max or --timeout is reached
  1  the server answers with something that is no event stream
  2  the command line is not understood, or a redirect leads where sse-tail cannot go
  3  --timeout came before --max was reached
  4  the stream exceeds a limit: 16 MiB for a line or an event, 16 KiB for an ID
  5  standard input cannot be read, or standard output cannot be written
";

/// What the caller asked for.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    /// Decode standard input, so many bytes at a time.
    Pipe {
        chunk: usize,
        max: Option<NonZeroU64>,
    },
    Tail(Options),
}

/// How to read a stream.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
    pub(crate) http2: bool,
    pub(crate) max: Option<NonZeroU64>,
    pub(crate) timeout: Option<Duration>,
}

impl Command {
    /// Reads the arguments after the program's name, and the value of `CHUNK`.
    ///
    /// # Errors
    ///
    /// The fault, and the text to write instead.
    pub(crate) fn parse(
        args: impl IntoIterator<Item = String>,
        chunk: Option<&str>,
    ) -> Result<Self, String> {
        let mut args = args.into_iter();
        let mut source = None;
        let mut headers = HeaderMap::new();
        let mut http2 = false;
        let mut max = None;
        let mut timeout = None;
        while let Some(arg) = args.next() {
            let (name, mut value) = split(&arg);
            let mut wanted = |example: &str| {
                value
                    .take()
                    .map(str::to_owned)
                    .or_else(|| args.next())
                    .ok_or_else(|| format!("{name} wants a value: {name} {example}"))
            };
            match name {
                "-h" | "--help" => return Ok(Self::Help),
                "-H" | "--header" => {
                    let (name, value) = header(&wanted("'name: value'")?)?;
                    headers.append(name, value);
                }
                "--http2" => http2 = true,
                "--max" => max = Some(count(&wanted("10")?)?),
                "--timeout" => timeout = Some(seconds(&wanted("10")?)?),
                "-" => source = Some(one_source(source, &arg)?),
                other if other.starts_with('-') => {
                    return Err(format!("no option {other}: sse-tail --help lists them"));
                }
                _ => source = Some(one_source(source, &arg)?),
            }
            if let Some(value) = value {
                return Err(format!("{name} takes no value, but was given `{value}`"));
            }
        }
        let source = source.ok_or("a URL is missing, or - for standard input: sse-tail --help")?;
        if source == "-" {
            if http2 || timeout.is_some() || !headers.is_empty() {
                return Err(
                    "standard input has no header, protocol or timeout: only --max goes with -"
                        .into(),
                );
            }
            return Ok(Self::Pipe { chunk: chunk_size(chunk)?, max });
        }
        let target = Target::parse(&source)?;
        Ok(Self::Tail(Options { target, headers, http2, max, timeout }))
    }
}

/// `--name=value`, `-Hvalue`, or a name alone.
fn split(arg: &str) -> (&str, Option<&str>) {
    if let Some(value) = arg.strip_prefix("-H").filter(|value| !value.is_empty()) {
        return ("-H", Some(value));
    }
    match arg.split_once('=') {
        Some((name, value)) if name.starts_with("--") => (name, Some(value)),
        _ => (arg, None),
    }
}

fn one_source(before: Option<String>, source: &str) -> Result<String, String> {
    match before {
        Some(before) => Err(format!("one URL at a time, not {before} and {source}")),
        None => Ok(source.to_owned()),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || format!("`{text}` is no header: -H 'name: value'");
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = name.trim().parse().map_err(|_| wrong())?;
    let value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| wrong())?;
    Ok((name, value))
}

fn count(text: &str) -> Result<NonZeroU64, String> {
    text.parse().map_err(|_| format!("--max wants a number of events from 1 on, not `{text}`"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let time = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| format!("--timeout wants seconds, such as 10 or 0.5, not `{text}`"))
}

fn chunk_size(text: Option<&str>) -> Result<usize, String> {
    let text = text.unwrap_or_default();
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| format!("CHUNK wants a number of bytes, or 0, not `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str], chunk: Option<&str>) -> Result<Command, String> {
        Command::parse(args.iter().map(|&arg| arg.to_owned()), chunk)
    }

    #[track_caller]
    fn tail(args: &[&str]) -> Options {
        match parse(args, None).expect("understood") {
            Command::Tail(options) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_come_before_and_after_the_url() {
        let options =
            tail(&["-H", "a: 1", "--max=3", "http://h/", "-HA:2", "--timeout", "0.5", "--http2"]);
        let values: Vec<_> = options.headers.get_all("a").into_iter().collect();
        assert_eq!(values, ["1", "2"]);
        assert_eq!(options.max.map(NonZeroU64::get), Some(3));
        assert_eq!(options.timeout, Some(Duration::from_millis(500)));
        assert!(options.http2);
        assert!(!tail(&["http://h/"]).http2);
    }

    #[test]
    fn help_goes_before_everything_else() {
        assert!(matches!(parse(&["-h"], None), Ok(Command::Help)));
        assert!(matches!(parse(&["http://h", "--help"], None), Ok(Command::Help)));
    }

    #[test]
    fn standard_input_comes_in_pieces_of_chunk_bytes() {
        for (chunk, expect) in [(None, 0), (Some(""), 0), (Some("0"), 0), (Some("7"), 7)] {
            let command = parse(&["-"], chunk).expect("understood");
            assert!(matches!(command, Command::Pipe { chunk, max: None } if chunk == expect));
        }
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_cure() {
        for (args, named) in [
            (&[][..], "URL is missing"),
            (&["--http3", "http://h"], "--http3"),
            (&["http://h", "http://i"], "http://h and http://i"),
            (&["--max"], "--max 10"),
            (&["--max", "0", "http://h"], "from 1 on"),
            (&["--timeout", "-1", "http://h"], "seconds"),
            (&["--timeout=inf", "http://h"], "seconds"),
            (&["-H", "no colon", "http://h"], "`no colon`"),
            (&["-H", "a: b\nc: d", "http://h"], "is no header"),
            (&["--http2=yes", "http://h"], "takes no value"),
            (&["-", "--http2"], "only --max goes with -"),
            (&["https://h"], "http://"),
        ] {
            let error = parse(args, None).expect_err("refused");
            assert!(error.contains(named), "{args:?}: {error}");
        }
        assert!(parse(&["-"], Some("x")).expect_err("refused").contains("CHUNK"));
    }
}

//! What is printed: events as lines of JSON, and remarks for people.

use std::{
    env,
    io::{self, BufWriter, IsTerminal, StdoutLock, Write},
};

use volga_sse::{Decoder, EventRef};

const NAME: &str = "\x1b[36m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// Standard output. What is written is held until [`flush`](Self::flush).
pub(crate) struct Printer<W> {
    out: W,
    colours: bool,
    printed: u64,
}

impl Printer<BufWriter<StdoutLock<'static>>> {
    pub(crate) fn stdout() -> Self {
        let out = io::stdout();
        let colours = wants_colours(&out);
        Self { out: BufWriter::new(out.lock()), colours, printed: 0 }
    }
}

impl<W: Write> Printer<W> {
    /// Writes an event.
    pub(crate) fn event(&mut self, event: &str, data: &str, id: &str) -> io::Result<()> {
        self.out.write_all(b"{\"event\":")?;
        self.text(event, NAME)?;
        self.out.write_all(b",\"data\":")?;
        self.text(data, "")?;
        self.out.write_all(b",\"id\":")?;
        self.text(id, DIM)?;
        self.printed += 1;
        self.out.write_all(b"}\n")
    }

    /// Writes an event that the decoder lends.
    pub(crate) fn lent(&mut self, event: EventRef<'_>) -> io::Result<()> {
        self.event(event.event(), event.data(), event.id())
    }

    /// Writes what the decoder knows at the end.
    pub(crate) fn last(&mut self, decoder: &Decoder) -> io::Result<()> {
        self.out.write_all(b"{\"final\":true,\"last_event_id\":")?;
        self.text(decoder.last_event_id(), DIM)?;
        match decoder.retry() {
            Some(time) => writeln!(self.out, ",\"retry\":{}}}", time.as_millis()),
            None => self.out.write_all(b",\"retry\":null}\n"),
        }
    }

    /// Makes everything visible that was written.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// How many events were written.
    pub(crate) fn printed(&self) -> u64 {
        self.printed
    }

    fn text(&mut self, text: &str, colour: &str) -> io::Result<()> {
        let colour = if self.colours { colour } else { "" };
        self.out.write_all(colour.as_bytes())?;
        serde_json::to_writer(&mut self.out, text)?;
        let end = if colour.is_empty() { "" } else { PLAIN };
        self.out.write_all(end.as_bytes())
    }
}

/// Tells a person what goes on, on standard error.
pub(crate) fn say(text: &str) {
    let mut out = io::stderr().lock();
    let (start, end) = if wants_colours(&out) { (DIM, PLAIN) } else { ("", "") };
    // Nobody may be listening, and that is no reason to stop.
    let _ = writeln!(out, "{start}sse-tail: {text}{end}");
}

/// Prints the help.
pub(crate) fn help(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn wants_colours(out: &impl IsTerminal) -> bool {
    out.is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(colours: bool, expect: &str) {
        let mut printer = Printer { out: Vec::new(), colours, printed: 0 };
        printer.event("tick", "\"a\"\n\u{2028}\0", "é").expect("written");
        assert_eq!(std::str::from_utf8(&printer.out), Ok(expect));
        assert_eq!(printer.printed(), 1);
    }

    #[test]
    fn an_event_is_one_line_of_json() {
        check(
            false,
            "{\"event\":\"tick\",\"data\":\"\\\"a\\\"\\n\u{2028}\\u0000\",\"id\":\"é\"}\n",
        );
    }

    #[test]
    fn a_terminal_has_colours() {
        check(
            true,
            "{\"event\":\x1b[36m\"tick\"\x1b[0m,\"data\":\"\\\"a\\\"\\n\u{2028}\\u0000\",\"id\":\x1b[2m\"é\"\x1b[0m}\n",
        );
    }

    #[test]
    fn the_end_has_the_last_event_id_and_the_reconnection_time() {
        for (wire, expect) in [
            ("", "{\"final\":true,\"last_event_id\":\"\",\"retry\":null}\n"),
            ("id: 7\n\nretry: 1500\n", "{\"final\":true,\"last_event_id\":\"7\",\"retry\":1500}\n"),
        ] {
            let mut decoder = Decoder::new();
            decoder.feed(wire.as_bytes()).expect("within limits");
            let mut printer = Printer { out: Vec::new(), colours: false, printed: 0 };
            printer.last(&decoder).expect("written");
            assert_eq!(std::str::from_utf8(&printer.out), Ok(expect));
        }
    }
}

//! The rows in which one stream gets JSON events as fast as the client reads.

use std::{cell::Cell, rc::Rc, time::Instant};

use crate::{
    failure::Failure,
    http2::{self, Http2Streams},
    plan::Plan,
    server::Server,
    streams::Streams,
    windows::Windows,
    wire::{Event, Malformed},
};

/// How many events each of the two streams has that come before the measurement.
const PROBE: u64 = 50_000;

pub(crate) fn http1(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    measure(server, plan, |events| {
        let mut streams = Streams::of(server.address, &path(events))?;
        let mut counter = Counter::default();
        let mut taker = |_: usize, event: Event<'_>| counter.take(event);
        streams.open(1, &mut taker)?;
        while streams.ends().ended == 0 {
            streams.read(&mut taker)?;
        }
        counter.check(events)
    })
}

pub(crate) fn http2(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    measure(server, plan, |events| {
        http2::block_on(async {
            let counter = Rc::new(Cell::new(Counter::default()));
            let counting = Rc::clone(&counter);
            let mut streams = Http2Streams::of(server.address, &path(events), move |_, event| {
                let mut counter = counting.get();
                counter.take(event)?;
                counting.set(counter);
                Ok(())
            });
            streams.open(1).await?;
            streams.until(|streams| streams.ended() == 1).await?;
            counter.get().check(events)
        })
    })
}

fn path(events: u64) -> String {
    format!("/firehose?n={events}")
}

fn measure(
    server: &Server,
    plan: &Plan,
    run: impl Fn(u64) -> Result<(), Failure>,
) -> Result<Vec<f64>, Failure> {
    // The first run warms the server up. The second one measures how many events fill a window.
    run(PROBE)?;
    let begin = Instant::now();
    run(PROBE)?;
    let windows_of_probe = plan.window.as_secs_f64() / begin.elapsed().as_secs_f64();
    let events = (PROBE as f64 * windows_of_probe).max(1.0) as u64;

    let mut windows = Windows::of(server)?;
    while windows.begin()? {
        run(events)?;
        windows.end(events)?;
    }
    Ok(vec![windows.cpu(), windows.rate()])
}

/// Checks that the counters of the events come in order.
#[derive(Clone, Copy, Default)]
struct Counter(u64);

impl Counter {
    fn take(&mut self, event: Event<'_>) -> Result<(), Malformed> {
        let Event::Data(data) = event else { return Ok(()) };
        if counter_of(data) != Some(self.0) || !data.ends_with(b"}") {
            return Err(Malformed::new(format!(
                "`{}` where the event {} was expected",
                data.escape_ascii(),
                self.0
            )));
        }
        self.0 += 1;
        Ok(())
    }

    fn check(self, events: u64) -> Result<(), Failure> {
        if self.0 == events {
            Ok(())
        } else {
            Err(Failure::new(format!("{} events of {events}", self.0)))
        }
    }
}

/// The number in `{"counter":7,…`.
fn counter_of(data: &[u8]) -> Option<u64> {
    let digits = data.strip_prefix(b"{\"counter\":")?.split(|&byte| byte == b',').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_comes_in_its_turn() {
        let mut counter = Counter::default();
        let mut take = |data: &str| counter.take(Event::Data(data.as_bytes()));
        assert_eq!(take(r#"{"counter":0,"open":true}"#), Ok(()));
        assert_eq!(take(r#"{"counter":1,"open":true}"#), Ok(()));
        assert!(take(r#"{"counter":3,"open":true}"#).is_err());
        assert!(take(r#"{"counter":2,"op"#).is_err());
        assert!(take("2").is_err());
        assert!(counter.check(2).is_ok() && counter.check(3).is_err());
    }
}

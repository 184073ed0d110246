//! The row in which SIGTERM comes while many streams are open.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    connect,
    failure::Failure,
    plan::Plan,
    server::Server,
    streams::Streams,
    wire::{Event, ignore},
};

/// A server that has not ended after this time counts as one that does not end.
const BOUND: Duration = Duration::from_secs(3);
/// The time between two checks whether the server has ended.
const STEP: Duration = Duration::from_millis(5);

/// How many clients of the second row read nothing.
pub(crate) const STALLED: usize = 100;

/// How long the server fills the buffers of the clients that read nothing.
const FILL: Duration = Duration::from_millis(500);

pub(crate) fn all_read(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    run(server, plan.drain)
}

/// Some of the clients have a stream that always has more, and read nothing of it. They cannot get
/// a farewell, and are not counted among those that should.
pub(crate) fn some_stalled(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let request = connect::get("/firehose?n=1000000000");
    let stalled = (0..STALLED)
        .map(|number| connect::ask(server.address, number, &request))
        .collect::<Result<Vec<_>, _>>()?;
    thread::sleep(FILL);
    let figures = run(server, plan.drain - stalled.len());
    drop(stalled);
    figures
}

fn run(server: &mut Server, count: usize) -> Result<Vec<f64>, Failure> {
    let mut streams = Streams::of(server.address, "/events")?;
    // A stream may also begin with a reconnection time. The one of the farewell comes later.
    streams.open(count, &mut ignore)?;
    server.rest()?;
    while streams.read_within(STEP, &mut ignore)? {}

    let mut returns: Vec<Option<u64>> = vec![None; count];
    let begin = Instant::now();
    server.terminate()?;
    let mut exit = None;
    while begin.elapsed() < BOUND && (exit.is_none() || streams.ends().ended < count) {
        streams.read_within(STEP, &mut |stream: usize, event: Event<'_>| {
            if let Event::Retry(time) = event {
                returns[stream] = Some(time);
            }
            Ok(())
        })?;
        if exit.is_none() {
            exit = server.exited()?.map(|status| (begin.elapsed(), status.code()));
        }
    }
    let share = |part: usize| part as f64 / count as f64;
    let returns: Vec<u64> = returns.into_iter().flatten().collect();
    Ok(vec![
        exit.map_or(f64::INFINITY, |(time, _)| time.as_nanos() as f64),
        share(returns.len()),
        share(streams.ends().terminated),
        fullest_tenth(&returns),
        // A server that a signal has killed has no code.
        exit.and_then(|(_, code)| code).map_or(f64::NAN, f64::from),
    ])
}

/// How many clients return in the fullest tenth of the time over which they are spread, as a
/// multiple of the even share. Without a spread the result is not a number.
fn fullest_tenth(returns: &[u64]) -> f64 {
    let (Some(&first), Some(&last)) = (returns.iter().min(), returns.iter().max()) else {
        return f64::NAN;
    };
    let mut tenths = [0_usize; 10];
    for &time in returns {
        tenths[((time - first) * 10 / (last - first + 1)) as usize] += 1;
    }
    let fullest = tenths.into_iter().max().unwrap_or(0);
    fullest as f64 * 10.0 / returns.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_spread_has_no_fullest_tenth() {
        let even: Vec<u64> = (1_000..3_000).collect();
        assert_eq!(fullest_tenth(&even), 1.0);
        assert_eq!(fullest_tenth(&[5_000; 20]), 10.0);
        let half: Vec<u64> = (0..100).chain([0; 100]).collect();
        assert_eq!(fullest_tenth(&half), 5.5);
        assert!(fullest_tenth(&[]).is_nan());
    }
}

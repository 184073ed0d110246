//! Short windows of work, and the median of them: a figure must not hang on one bad moment of a machine that others share.

use std::time::Instant;

use crate::{failure::Failure, meter, server::Server, stats::Summary};

/// What a server is asked for in a round, in so many windows. An odd number, so that the median is one of them.
const WINDOWS: usize = 5;

/// The windows of one round. Between them the server rests, so that its CPU time is known to the nanosecond.
pub(crate) struct Windows<'a> {
    server: &'a Server,
    /// The server's CPU time when the last window had ended.
    before: u64,
    begin: Instant,
    load_before: u64,
    windows: Vec<Window>,
}

/// What one window came to: nanoseconds, and how often the thing happened that is counted.
#[derive(Clone, Copy, Debug)]
struct Window {
    cpu: f64,
    load_cpu: f64,
    time: f64,
    count: f64,
}

impl<'a> Windows<'a> {
    /// Waits until what came before is over.
    pub(crate) fn of(server: &'a Server) -> Result<Self, Failure> {
        let before = server.rest()?;
        Ok(Self { server, before, begin: Instant::now(), load_before: 0, windows: Vec::new() })
    }

    /// Begins the next window; false after the last.
    pub(crate) fn begin(&mut self) -> Result<bool, Failure> {
        self.load_before = meter::cpu(std::process::id())?;
        self.begin = Instant::now();
        Ok(self.windows.len() < WINDOWS)
    }

    /// Ends the window, in which so much happened.
    pub(crate) fn end(&mut self, count: u64) -> Result<(), Failure> {
        let time = self.begin.elapsed();
        let load_cpu = meter::cpu(std::process::id())? - self.load_before;
        let cpu = self.server.rest()?;
        self.windows.push(Window {
            cpu: (cpu - self.before) as f64,
            load_cpu: load_cpu as f64,
            time: time.as_nanos() as f64,
            count: count as f64,
        });
        self.before = cpu;
        Ok(())
    }

    /// Nanoseconds of the server's CPU for each.
    pub(crate) fn cpu(&self) -> f64 {
        self.median(|window| window.cpu / window.count)
    }

    /// Nanoseconds of the load's own CPU for each.
    pub(crate) fn load_cpu(&self) -> f64 {
        self.median(|window| window.load_cpu / window.count)
    }

    /// How many in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.median(|window| window.count * 1e9 / window.time)
    }

    fn median(&self, figure: impl Fn(&Window) -> f64) -> f64 {
        let figures: Vec<f64> = self.windows.iter().map(figure).collect();
        Summary::of(&figures).map_or(f64::NAN, |summary| summary.median)
    }
}

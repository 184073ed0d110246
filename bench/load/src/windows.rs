//! Divides the work into short windows and takes the median of them, so that a figure does not
//! depend on one bad moment of a machine that others share.

use std::time::Instant;

use crate::{failure::Failure, meter, server::Server, stats::Summary};

/// The number of windows in a round. It is odd, so that the median is one of the windows.
const WINDOWS: usize = 5;

/// The windows of one round. The server rests between them, so that its CPU time is known to the
/// nanosecond.
pub(crate) struct Windows<'a> {
    servers: Vec<&'a Server>,
    /// The servers' CPU time at the end of the last window.
    before: u64,
    begin: Instant,
    load_before: u64,
    windows: Vec<Window>,
}

/// The result of one window: times in nanoseconds, and the count of what was measured.
#[derive(Clone, Copy, Debug)]
struct Window {
    cpu: f64,
    load_cpu: f64,
    time: f64,
    count: f64,
}

impl<'a> Windows<'a> {
    /// Waits until the server is at rest, and prepares the first window.
    pub(crate) fn of(server: &'a Server) -> Result<Self, Failure> {
        Self::of_all(vec![server])
    }

    /// The same for several servers, whose CPU times are added.
    pub(crate) fn of_all(servers: Vec<&'a Server>) -> Result<Self, Failure> {
        let begin = Instant::now();
        let mut windows = Self { servers, before: 0, begin, load_before: 0, windows: Vec::new() };
        windows.before = windows.rest()?;
        Ok(windows)
    }

    /// Begins the next window. Returns false after the last one.
    pub(crate) fn begin(&mut self) -> Result<bool, Failure> {
        self.load_before = meter::cpu(std::process::id())?;
        self.begin = Instant::now();
        Ok(self.windows.len() < WINDOWS)
    }

    /// Ends the window, in which `count` things happened.
    pub(crate) fn end(&mut self, count: u64) -> Result<(), Failure> {
        let time = self.begin.elapsed();
        let load_cpu = meter::cpu(std::process::id())? - self.load_before;
        let cpu = self.rest()?;
        self.windows.push(Window {
            cpu: (cpu - self.before) as f64,
            load_cpu: load_cpu as f64,
            time: time.as_nanos() as f64,
            count: count as f64,
        });
        self.before = cpu;
        Ok(())
    }

    /// Waits until the servers have nothing left to do, and returns their CPU time so far.
    fn rest(&self) -> Result<u64, Failure> {
        Server::rest_of(&self.servers)
    }

    /// The servers' CPU time for each of them, in nanoseconds.
    pub(crate) fn cpu(&self) -> f64 {
        self.median(|window| window.cpu / window.count)
    }

    /// The load's own CPU time for each of them, in nanoseconds.
    pub(crate) fn load_cpu(&self) -> f64 {
        self.median(|window| window.load_cpu / window.count)
    }

    /// The count per second.
    pub(crate) fn rate(&self) -> f64 {
        self.median(|window| window.count * 1e9 / window.time)
    }

    fn median(&self, figure: impl Fn(&Window) -> f64) -> f64 {
        let figures: Vec<f64> = self.windows.iter().map(figure).collect();
        Summary::of(&figures).map_or(f64::NAN, |summary| summary.median)
    }
}

//! Divides the work into short windows and takes the median of them, so that a figure does not
//! depend on one bad moment of a machine that others share.

use std::time::Instant;

use crate::{
    failure::Failure,
    meter,
    server::Server,
    stats::Summary,
    turns::{TURNS, Turn, TurnTaker},
};

/// The number of windows in a round. It is odd, so that the median is one of the windows. A server
/// that takes turns with another one has [`TURNS`] windows.
const WINDOWS: usize = 5;

/// The windows of one round. The server rests between them, so that its CPU time is known to the
/// nanosecond.
pub(crate) struct Windows<'a> {
    servers: Vec<&'a Server>,
    /// The servers' CPU time at the beginning of the window.
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

impl Window {
    /// The servers' CPU time for each of them, in nanoseconds.
    fn cpu(&self) -> f64 {
        self.cpu / self.count
    }

    /// The count per second.
    fn rate(&self) -> f64 {
        self.count * 1e9 / self.time
    }
}

impl<'a> Windows<'a> {
    /// Waits until the server is at rest, and prepares the first window.
    pub(crate) fn of(server: &'a Server) -> Result<Self, Failure> {
        Self::of_all(vec![server])
    }

    /// The same for several servers, whose CPU times are added.
    pub(crate) fn of_all(servers: Vec<&'a Server>) -> Result<Self, Failure> {
        Server::rest_of(&servers)?;
        let begin = Instant::now();
        let windows = Self { servers, before: 0, begin, load_before: 0, windows: Vec::new() };
        windows.turn_taker().inspect(|turns| turns.end_warm_up());
        Ok(windows)
    }

    /// Begins the next window. Returns false after the last one.
    ///
    /// If the server takes turns with another one, this waits for its turn.
    pub(crate) fn begin(&mut self) -> Result<bool, Failure> {
        let turn_taker = self.turn_taker();
        let count = if turn_taker.is_some() { TURNS } else { WINDOWS };
        if self.windows.len() == count {
            turn_taker.inspect(|turns| turns.wait_for_the_other());
            return Ok(false);
        }
        turn_taker.inspect(|turns| turns.wait());
        // The CPU time that a server used during the turn of another one does not count.
        self.before = self.servers.iter().map(|server| server.cpu()).sum::<Result<_, _>>()?;
        self.load_before = meter::cpu(std::process::id())?;
        self.begin = Instant::now();
        Ok(true)
    }

    /// Ends the window, in which `count` things happened.
    pub(crate) fn end(&mut self, count: u64) -> Result<(), Failure> {
        let time = self.begin.elapsed();
        let load_cpu = meter::cpu(std::process::id())? - self.load_before;
        let window = Window {
            cpu: (Server::rest_of(&self.servers)? - self.before) as f64,
            load_cpu: load_cpu as f64,
            time: time.as_nanos() as f64,
            count: count as f64,
        };
        self.turn_taker()
            .inspect(|turns| turns.end(Turn { cpu: window.cpu(), rate: window.rate() }));
        self.windows.push(window);
        Ok(())
    }

    /// The turns that the first server takes with another one.
    fn turn_taker(&self) -> Option<&TurnTaker> {
        self.servers.first()?.turn_taker.as_ref()
    }

    /// The servers' CPU time for each of them, in nanoseconds.
    pub(crate) fn cpu(&self) -> f64 {
        self.median(Window::cpu)
    }

    /// The load's own CPU time for each of them, in nanoseconds.
    pub(crate) fn load_cpu(&self) -> f64 {
        self.median(|window| window.load_cpu / window.count)
    }

    /// The count per second.
    pub(crate) fn rate(&self) -> f64 {
        self.median(Window::rate)
    }

    fn median(&self, figure: impl Fn(&Window) -> f64) -> f64 {
        let figures: Vec<f64> = self.windows.iter().map(figure).collect();
        Summary::of(&figures).map_or(f64::NAN, |summary| summary.median)
    }
}

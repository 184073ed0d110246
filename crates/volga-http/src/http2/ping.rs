//! Checks whether the client of a silent connection is still there.
//!
//! An idle HTTP/2 connection is allowed, so silence alone proves nothing. The server sends a PING,
//! and closes the connection if no response comes.

use std::pin::Pin;
use std::task::{Context, Poll};

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits::{PING_INTERVAL, PING_TIMEOUT};

/// Decides by the time when to send a PING and when to give up. Pure.
#[derive(Debug)]
struct Silence {
    due: Instant,
    is_ping_sent: bool,
}

#[derive(Debug, Eq, PartialEq)]
enum Due {
    Nothing,
    Ask,
    GiveUp,
}

impl Silence {
    fn new(now: Instant) -> Self {
        Self { due: now + PING_INTERVAL, is_ping_sent: false }
    }

    /// Returns what is due at `now`, if the client was last `heard` at that time. Afterwards `due`
    /// is the time of the next check.
    fn fire(&mut self, now: Instant, heard: Instant) -> Due {
        if now < self.due {
            return Due::Nothing;
        }
        if self.is_ping_sent {
            return Due::GiveUp;
        }
        let end_of_interval = heard + PING_INTERVAL;
        if now < end_of_interval {
            // The timer is moved here and not at every read, so a busy connection pays nothing for
            // it.
            self.due = end_of_interval;
            return Due::Nothing;
        }
        self.is_ping_sent = true;
        self.due = now + PING_TIMEOUT;
        Due::Ask
    }

    fn pong(&mut self, now: Instant) {
        *self = Self::new(now);
    }
}

/// Sends a PING to a silent client, and waits for the response.
pub(super) struct KeepAlive {
    silence: Silence,
    pings: PingPong,
    timer: Pin<Box<Sleep>>,
}

impl KeepAlive {
    pub(super) fn new(pings: PingPong) -> Self {
        let silence = Silence::new(Instant::now());
        let timer = Box::pin(sleep_until(silence.due));
        Self { silence, pings, timer }
    }

    /// Ready when the client is gone. `heard` returns when the client last sent something.
    pub(super) fn poll_dead(
        &mut self,
        heard: impl Fn() -> Instant,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.silence.is_ping_sent && self.pings.poll_pong(cx).is_ready() {
            self.silence.pong(Instant::now());
            self.timer.as_mut().reset(self.silence.due);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            match self.silence.fire(Instant::now(), heard()) {
                Due::Nothing => {}
                // This fails only when the connection is over, which its own poll reports.
                Due::Ask => drop(self.pings.send_ping(Ping::opaque())),
                Due::GiveUp => return Poll::Ready(()),
            }
            self.timer.as_mut().reset(self.silence.due);
            if self.silence.is_ping_sent {
                // Registers the waker for the response.
                let _ = self.pings.poll_pong(cx);
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALMOST: std::time::Duration = std::time::Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn only_a_silent_client_gets_a_ping() {
        let start = Instant::now();
        let mut silence = Silence::new(start);
        assert_eq!(silence.fire(start + PING_INTERVAL - ALMOST, start), Due::Nothing);
        let heard = start + PING_INTERVAL / 2;
        assert_eq!(silence.fire(start + PING_INTERVAL, heard), Due::Nothing);
        assert_eq!(silence.due, heard + PING_INTERVAL, "asked as soon as the silence is as long");
        assert_eq!(silence.fire(silence.due, heard), Due::Ask);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pong_restarts_the_interval_and_without_one_the_connection_ends() {
        let start = Instant::now();
        let mut silence = Silence::new(start);
        let asked = start + PING_INTERVAL;
        assert_eq!(silence.fire(asked, start), Due::Ask);
        silence.pong(asked + ALMOST);
        assert_eq!(silence.due, asked + ALMOST + PING_INTERVAL);
        assert_eq!(silence.fire(silence.due, asked + ALMOST), Due::Ask);
        assert_eq!(silence.fire(silence.due - ALMOST, asked), Due::Nothing);
        assert_eq!(silence.fire(silence.due, asked), Due::GiveUp);
    }
}

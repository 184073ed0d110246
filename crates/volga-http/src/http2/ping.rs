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
struct PingSchedule {
    due: Instant,
    is_ping_sent: bool,
}

/// The next step of the connection, by the schedule.
#[derive(Debug, Eq, PartialEq)]
enum KeepAliveAction {
    Wait,
    SendPing,
    Close,
}

impl PingSchedule {
    fn new(now: Instant) -> Self {
        Self { due: now + PING_INTERVAL, is_ping_sent: false }
    }

    /// Returns what to do at `now`. `last_received` is when the client last sent anything.
    /// Afterwards `due` is the time of the next check.
    fn fire(&mut self, now: Instant, last_received: Instant) -> KeepAliveAction {
        if now < self.due {
            return KeepAliveAction::Wait;
        }
        if self.is_ping_sent {
            return KeepAliveAction::Close;
        }
        let end_of_interval = last_received + PING_INTERVAL;
        if now < end_of_interval {
            // The timer is moved here and not at every read, so a busy connection pays nothing for
            // it.
            self.due = end_of_interval;
            return KeepAliveAction::Wait;
        }
        self.is_ping_sent = true;
        self.due = now + PING_TIMEOUT;
        KeepAliveAction::SendPing
    }

    fn pong(&mut self, now: Instant) {
        *self = Self::new(now);
    }
}

/// Sends a PING to a silent client, and waits for the response.
pub(super) struct KeepAlive {
    schedule: PingSchedule,
    pings: PingPong,
    timer: Pin<Box<Sleep>>,
}

impl KeepAlive {
    pub(super) fn new(pings: PingPong) -> Self {
        let schedule = PingSchedule::new(Instant::now());
        let timer = Box::pin(sleep_until(schedule.due));
        Self { schedule, pings, timer }
    }

    /// Ready when the client is gone. `last_received` returns when the client last sent anything.
    pub(super) fn poll_dead(
        &mut self,
        last_received: impl Fn() -> Instant,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.schedule.is_ping_sent && self.pings.poll_pong(cx).is_ready() {
            self.schedule.pong(Instant::now());
            self.timer.as_mut().reset(self.schedule.due);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            match self.schedule.fire(Instant::now(), last_received()) {
                KeepAliveAction::Wait => {}
                // This fails only when the connection is over, which its own poll reports.
                KeepAliveAction::SendPing => drop(self.pings.send_ping(Ping::opaque())),
                KeepAliveAction::Close => return Poll::Ready(()),
            }
            self.timer.as_mut().reset(self.schedule.due);
            if self.schedule.is_ping_sent {
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
        let mut schedule = PingSchedule::new(start);
        assert_eq!(schedule.fire(start + PING_INTERVAL - ALMOST, start), KeepAliveAction::Wait);
        let last_received = start + PING_INTERVAL / 2;
        assert_eq!(schedule.fire(start + PING_INTERVAL, last_received), KeepAliveAction::Wait);
        assert_eq!(
            schedule.due,
            last_received + PING_INTERVAL,
            "asked once the silence is long enough"
        );
        assert_eq!(schedule.fire(schedule.due, last_received), KeepAliveAction::SendPing);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pong_restarts_the_interval_and_without_one_the_connection_ends() {
        let start = Instant::now();
        let mut schedule = PingSchedule::new(start);
        let asked = start + PING_INTERVAL;
        assert_eq!(schedule.fire(asked, start), KeepAliveAction::SendPing);
        schedule.pong(asked + ALMOST);
        assert_eq!(schedule.due, asked + ALMOST + PING_INTERVAL);
        assert_eq!(schedule.fire(schedule.due, asked + ALMOST), KeepAliveAction::SendPing);
        assert_eq!(schedule.fire(schedule.due - ALMOST, asked), KeepAliveAction::Wait);
        assert_eq!(schedule.fire(schedule.due, asked), KeepAliveAction::Close);
    }
}

//! Whether the peer of a silent connection is still there.
//!
//! An idle HTTP/2 connection is a proper one, so silence alone proves nothing: the server asks with
//! a PING, and closes what does not answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits::{PING_INTERVAL, PING_TIMEOUT};

/// What the time says about the peer. Pure.
#[derive(Debug)]
struct Silence {
    due: Instant,
    is_asked: bool,
}

#[derive(Debug, Eq, PartialEq)]
enum Due {
    Nothing,
    Ask,
    GiveUp,
}

impl Silence {
    fn new(now: Instant) -> Self {
        Self { due: now + PING_INTERVAL, is_asked: false }
    }

    /// Says what is due at `now`, when the peer was last `heard`. The next time to ask is then in
    /// `due`.
    fn fire(&mut self, now: Instant, heard: Instant) -> Due {
        if now < self.due {
            return Due::Nothing;
        }
        if self.is_asked {
            return Due::GiveUp;
        }
        let end_of_patience = heard + PING_INTERVAL;
        if now < end_of_patience {
            // The timer is moved here and not at every read, which costs a busy connection nothing.
            self.due = end_of_patience;
            return Due::Nothing;
        }
        self.is_asked = true;
        self.due = now + PING_TIMEOUT;
        Due::Ask
    }

    fn answered(&mut self, now: Instant) {
        *self = Self::new(now);
    }
}

/// Asks a silent peer, and waits for its answer.
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

    /// Ready when the peer is gone. `heard` tells when it was last heard.
    pub(super) fn poll_gone(
        &mut self,
        heard: impl Fn() -> Instant,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.silence.is_asked && self.pings.poll_pong(cx).is_ready() {
            self.silence.answered(Instant::now());
            self.timer.as_mut().reset(self.silence.due);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            match self.silence.fire(Instant::now(), heard()) {
                Due::Nothing => {}
                // It fails only when the connection is over, which its own poll reports.
                Due::Ask => drop(self.pings.send_ping(Ping::opaque())),
                Due::GiveUp => return Poll::Ready(()),
            }
            self.timer.as_mut().reset(self.silence.due);
            if self.silence.is_asked {
                // Registers for the answer.
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
    async fn a_peer_that_is_heard_is_not_asked_and_a_silent_one_is_after_the_interval() {
        let start = Instant::now();
        let mut silence = Silence::new(start);
        assert_eq!(silence.fire(start + PING_INTERVAL - ALMOST, start), Due::Nothing);
        let heard = start + PING_INTERVAL / 2;
        assert_eq!(silence.fire(start + PING_INTERVAL, heard), Due::Nothing);
        assert_eq!(silence.due, heard + PING_INTERVAL, "asked as soon as the silence is as long");
        assert_eq!(silence.fire(silence.due, heard), Due::Ask);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_time_begins_anew_and_none_ends_the_connection() {
        let start = Instant::now();
        let mut silence = Silence::new(start);
        let asked = start + PING_INTERVAL;
        assert_eq!(silence.fire(asked, start), Due::Ask);
        silence.answered(asked + ALMOST);
        assert_eq!(silence.due, asked + ALMOST + PING_INTERVAL);
        assert_eq!(silence.fire(silence.due, asked + ALMOST), Due::Ask);
        assert_eq!(silence.fire(silence.due - ALMOST, asked), Due::Nothing);
        assert_eq!(silence.fire(silence.due, asked), Due::GiveUp);
    }
}

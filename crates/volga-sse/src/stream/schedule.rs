//! What a stream owes to the clock: comments into silence, and its end. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::stream::close::EndReason;
use crate::stream::heartbeat::{DEFAULT_HEARTBEAT, Heartbeat, Silence};

/// The times of one stream.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    silence: Option<Silence>,
    own: Option<Box<Own>>,
}

/// What few streams have, while all have room for it.
#[derive(Debug)]
struct Own {
    /// The interval of its heartbeat.
    interval: Duration,
    /// When the stream ends at the latest, and what that end is called.
    end: Option<(Instant, EndReason)>,
}

impl Default for Own {
    fn default() -> Self {
        Self { interval: DEFAULT_HEARTBEAT, end: None }
    }
}

/// What is owed when the timer fires.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Due {
    Nothing,
    Comment,
    End(EndReason),
}

impl Schedule {
    /// The times of a stream that begins now.
    pub(crate) fn new(heartbeat: Heartbeat, now: Instant) -> Self {
        let own = heartbeat.own_interval().map(|interval| Box::new(Own { interval, end: None }));
        Self { silence: heartbeat.start(now), own }
    }

    fn interval(&self) -> Duration {
        self.own.as_ref().map_or(DEFAULT_HEARTBEAT, |own| own.interval)
    }

    fn end(&self) -> Option<(Instant, EndReason)> {
        self.own.as_ref()?.end
    }

    /// Adds a time at which the stream ends; the earliest counts.
    pub(crate) fn end_at(&mut self, at: Instant, reason: EndReason) {
        if self.end().is_none_or(|(earlier, _)| at < earlier) {
            self.own.get_or_insert_default().end = Some((at, reason));
        }
    }

    /// When to look again; `None` for never.
    pub(crate) fn next(&self) -> Option<Instant> {
        let comment = self.silence.as_ref().map(Silence::due);
        let end = self.end().map(|(at, _)| at);
        comment.into_iter().chain(end).min()
    }

    /// Something was sent. A stream that never pauses learns here that its time is up.
    pub(crate) fn sent(&mut self, now: Instant) -> Option<EndReason> {
        let interval = self.interval();
        if let Some(silence) = &mut self.silence {
            silence.broken(now, interval);
        }
        self.ended(now)
    }

    /// The timer fired.
    pub(crate) fn fire(&mut self, now: Instant) -> Due {
        if let Some(reason) = self.ended(now) {
            return Due::End(reason);
        }
        let interval = self.interval();
        let owed = self.silence.as_mut().is_some_and(|silence| silence.fire(now, interval));
        if owed { Due::Comment } else { Due::Nothing }
    }

    fn ended(&self, now: Instant) -> Option<EndReason> {
        self.end().and_then(|(at, reason)| (at <= now).then_some(reason))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::stream::heartbeat::Heartbeat;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_earliest_end_counts() {
        let start = Instant::now();
        let mut schedule = Schedule::default();
        assert_eq!(schedule.next(), None);
        schedule.end_at(start + 20 * SECOND, EndReason::MaxAge);
        schedule.end_at(start + 10 * SECOND, EndReason::Deadline);
        schedule.end_at(start + 30 * SECOND, EndReason::MaxAge);
        assert_eq!(schedule.next(), Some(start + 10 * SECOND));
        assert_eq!(schedule.fire(start + 9 * SECOND), Due::Nothing);
        assert_eq!(schedule.fire(start + 10 * SECOND), Due::End(EndReason::Deadline));
    }

    #[test]
    fn an_end_goes_before_a_comment_and_a_busy_stream_learns_of_it_too() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Heartbeat::every(5 * SECOND), start);
        schedule.end_at(start + 10 * SECOND, EndReason::MaxAge);
        assert_eq!(schedule.next(), Some(start + 5 * SECOND));
        assert_eq!(schedule.fire(start + 5 * SECOND), Due::Comment);
        assert_eq!(schedule.sent(start + 7 * SECOND), None);
        assert_eq!(schedule.next(), Some(start + 10 * SECOND));
        assert_eq!(schedule.sent(start + 10 * SECOND), Some(EndReason::MaxAge));
        assert_eq!(schedule.fire(start + 12 * SECOND), Due::End(EndReason::MaxAge));
    }
}

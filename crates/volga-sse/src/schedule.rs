//! What a stream owes to the clock: comments into silence, and its end. Pure.

use tokio::time::Instant;

use crate::{EndReason, heartbeat::Silence};

/// The times of one stream.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    pub(crate) silence: Option<Silence>,
    /// When the stream ends at the latest, and what that end is called. Few streams have one, and all have room for it.
    pub(crate) end: Option<Box<(Instant, EndReason)>>,
}

/// What is owed when the timer fires.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Due {
    Nothing,
    Comment,
    End(EndReason),
}

impl Schedule {
    /// Adds a time at which the stream ends; the earliest counts.
    pub(crate) fn end_at(&mut self, at: Instant, reason: EndReason) {
        if self.end.as_ref().is_none_or(|end| at < end.0) {
            self.end = Some(Box::new((at, reason)));
        }
    }

    /// When to look again; `None` for never.
    pub(crate) fn next(&self) -> Option<Instant> {
        let comment = self.silence.as_ref().map(Silence::due);
        let end = self.end.as_ref().map(|end| end.0);
        comment.into_iter().chain(end).min()
    }

    /// Something was sent. A stream that never pauses learns here that its time is up.
    pub(crate) fn sent(&mut self, now: Instant) -> Option<EndReason> {
        if let Some(silence) = &mut self.silence {
            silence.broken(now);
        }
        self.ended(now)
    }

    /// The timer fired.
    pub(crate) fn fire(&mut self, now: Instant) -> Due {
        if let Some(reason) = self.ended(now) {
            return Due::End(reason);
        }
        let owed = self.silence.as_mut().is_some_and(|silence| silence.fire(now));
        if owed { Due::Comment } else { Due::Nothing }
    }

    fn ended(&self, now: Instant) -> Option<EndReason> {
        self.end.as_ref().and_then(|end| (end.0 <= now).then_some(end.1))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Heartbeat;

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
        let silence = Heartbeat::every(5 * SECOND).start(start);
        let mut schedule = Schedule { silence, end: None };
        schedule.end_at(start + 10 * SECOND, EndReason::MaxAge);
        assert_eq!(schedule.next(), Some(start + 5 * SECOND));
        assert_eq!(schedule.fire(start + 5 * SECOND), Due::Comment);
        assert_eq!(schedule.sent(start + 7 * SECOND), None);
        assert_eq!(schedule.next(), Some(start + 10 * SECOND));
        assert_eq!(schedule.sent(start + 10 * SECOND), Some(EndReason::MaxAge));
        assert_eq!(schedule.fire(start + 12 * SECOND), Due::End(EndReason::MaxAge));
    }
}

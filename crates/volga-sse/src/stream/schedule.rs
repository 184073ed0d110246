//! What a stream has to do at which time: comments into silence, and its end. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::stream::close::EndReason;
use crate::stream::heartbeat::{DEFAULT_HEARTBEAT, Heartbeat, Silence};

/// The times of one stream.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    silence: Option<Silence>,
    custom: Option<Box<CustomTimes>>,
}

/// The times that few streams have. They are boxed, so that the other streams only pay for a
/// pointer.
#[derive(Debug)]
struct CustomTimes {
    /// The interval of the heartbeat.
    interval: Duration,
    /// When the stream ends at the latest, and the reason for that end.
    end: Option<(Instant, EndReason)>,
}

impl Default for CustomTimes {
    fn default() -> Self {
        Self { interval: DEFAULT_HEARTBEAT, end: None }
    }
}

/// What to do when the timer fires.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum TimerAction {
    Nothing,
    Comment,
    End(EndReason),
}

impl Schedule {
    /// Makes the times of a stream that begins now.
    pub(crate) fn new(heartbeat: Heartbeat, now: Instant) -> Self {
        let interval = heartbeat.custom_interval();
        let custom = interval.map(|interval| Box::new(CustomTimes { interval, end: None }));
        Self { silence: heartbeat.start(now), custom }
    }

    fn interval(&self) -> Duration {
        self.custom.as_ref().map_or(DEFAULT_HEARTBEAT, |custom| custom.interval)
    }

    fn end(&self) -> Option<(Instant, EndReason)> {
        self.custom.as_ref()?.end
    }

    /// Adds a time at which the stream ends. The earliest one counts.
    pub(crate) fn end_at(&mut self, at: Instant, reason: EndReason) {
        if self.end().is_none_or(|(earlier, _)| at < earlier) {
            self.custom.get_or_insert_default().end = Some((at, reason));
        }
    }

    /// The time at which to check again; `None` for never.
    pub(crate) fn next(&self) -> Option<Instant> {
        let comment = self.silence.as_ref().map(Silence::due);
        let end = self.end().map(|(at, _)| at);
        comment.into_iter().chain(end).min()
    }

    /// Records that something was sent. Returns the reason if the stream's time is up: a stream
    /// that never pauses does not reach its timer, and learns it here.
    pub(crate) fn record_send(&mut self, now: Instant) -> Option<EndReason> {
        let interval = self.interval();
        if let Some(silence) = &mut self.silence {
            silence.restart(now, interval);
        }
        self.ended(now)
    }

    /// Returns what to do now that the timer has fired.
    pub(crate) fn fire(&mut self, now: Instant) -> TimerAction {
        if let Some(reason) = self.ended(now) {
            return TimerAction::End(reason);
        }
        let interval = self.interval();
        let owed = self.silence.as_mut().is_some_and(|silence| silence.fire(now, interval));
        if owed { TimerAction::Comment } else { TimerAction::Nothing }
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
        assert_eq!(schedule.fire(start + 9 * SECOND), TimerAction::Nothing);
        assert_eq!(schedule.fire(start + 10 * SECOND), TimerAction::End(EndReason::Deadline));
    }

    #[test]
    fn an_end_goes_before_a_comment_and_a_busy_stream_learns_of_it_too() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Heartbeat::every(5 * SECOND), start);
        schedule.end_at(start + 10 * SECOND, EndReason::MaxAge);
        assert_eq!(schedule.next(), Some(start + 5 * SECOND));
        assert_eq!(schedule.fire(start + 5 * SECOND), TimerAction::Comment);
        assert_eq!(schedule.record_send(start + 7 * SECOND), None);
        assert_eq!(schedule.next(), Some(start + 10 * SECOND));
        assert_eq!(schedule.record_send(start + 10 * SECOND), Some(EndReason::MaxAge));
        assert_eq!(schedule.fire(start + 12 * SECOND), TimerAction::End(EndReason::MaxAge));
    }
}

//! The settings of a stream, and what follows from them.

use std::{future::Future, pin::Pin, task::Context, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use crate::codec::error::EncodeError;
use crate::codec::message::Message;
use crate::stream::close::{CloseHandle, EndReason};
use crate::stream::frame::Frame;
use crate::stream::heartbeat::{Heartbeat, due};
use crate::stream::inner_source::InnerSource;
use crate::stream::item::sealed::Piece;
use crate::stream::schedule::Schedule;
use crate::stream::spread::{DEFAULT_FAREWELL_SPREAD, farewell_retry, part_of, random_seed};

/// The reconnection time with which a stream opens. It also replaces a longer one that an earlier
/// farewell gave to the client.
pub const DEFAULT_RETRY: Duration = Duration::from_secs(3);

/// The message that a stream opens with by default. It is a constant, because most streams open
/// with it.
const DEFAULT_OPENING: &[u8] = b"retry: 3000\n";

/// How many bytes a stream still sends after it was closed: 1 MiB, which is as much as a hub's
/// topic holds by default.
pub const DEFAULT_MAX_CLOSING_BYTES: usize = 1024 * 1024;
/// How long a stream still sends messages after it was closed.
pub const DEFAULT_MAX_CLOSING_TIME: Duration = Duration::from_secs(5);

/// How much a stream still sends after it was closed, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ClosingLimits {
    pub(crate) bytes: usize,
    pub(crate) time: Duration,
}

impl Default for ClosingLimits {
    fn default() -> Self {
        Self { bytes: DEFAULT_MAX_CLOSING_BYTES, time: DEFAULT_MAX_CLOSING_TIME }
    }
}

/// The settings of a stream.
pub(crate) struct StreamSettings {
    pub(crate) retry: Option<Duration>,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) farewell: Option<Message>,
    pub(crate) farewell_spread: Duration,
    pub(crate) closing: ClosingLimits,
    pub(crate) close_on: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    pub(crate) max_age: Option<MaxAge>,
    pub(crate) deadline: Option<std::time::Instant>,
    /// The stream ends with the first of these.
    pub(crate) inner_sources: Vec<Box<dyn InnerSource>>,
}

/// A maximum age, and the window from which each stream gets a random part on top.
pub(crate) struct MaxAge {
    pub(crate) age: Duration,
    pub(crate) jitter: Duration,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            retry: Some(DEFAULT_RETRY),
            heartbeat: Heartbeat::default(),
            farewell: None,
            farewell_spread: DEFAULT_FAREWELL_SPREAD,
            closing: ClosingLimits::default(),
            close_on: None,
            max_age: None,
            deadline: None,
            inner_sources: Vec::new(),
        }
    }
}

impl StreamSettings {
    /// The message that a stream starts with. It has the reconnection time, so that one from an
    /// earlier farewell does not stay in effect.
    pub(crate) fn opening(&self) -> Option<Piece> {
        self.retry.map(|time| match time {
            DEFAULT_RETRY => Piece::Encoded(Bytes::from_static(DEFAULT_OPENING)),
            _ => Piece::Message(Message::new().retry(time)),
        })
    }

    /// Makes the times of a stream that starts now.
    pub(crate) fn schedule(&self, now: Instant) -> Schedule {
        let mut schedule = Schedule::new(self.heartbeat, now);
        if let Some(MaxAge { age, jitter }) = self.max_age {
            let age = age.saturating_add(part_of(jitter, random_seed()));
            schedule.end_at(due(now, age), EndReason::MaxAge);
        }
        if let Some(deadline) = self.deadline {
            schedule.end_at(Instant::from_std(deadline), EndReason::Deadline);
        }
        schedule
    }

    /// Returns whether an open stream does the same without these settings.
    pub(crate) fn is_default_from_now_on(&self) -> bool {
        self.heartbeat.bytes() == Heartbeat::default().bytes()
            && self.farewell.is_none()
            && self.farewell_spread == DEFAULT_FAREWELL_SPREAD
            && self.closing == ClosingLimits::default()
            && self.close_on.is_none()
            && self.inner_sources.is_empty()
    }

    /// Closes the stream once its `close_on` future is ready.
    pub(crate) fn poll_close_on(&mut self, cx: &mut Context<'_>, close: &CloseHandle) {
        if let Some(future) = &mut self.close_on
            && future.as_mut().poll(cx).is_ready()
        {
            self.close_on = None;
            close.close();
        }
    }

    /// Adds the farewell to the frame: the message of the application, then a reconnection time.
    pub(crate) fn push_farewell(&mut self, frame: &mut Frame) -> Result<(), EncodeError> {
        if let Some(farewell) = self.farewell.take() {
            frame.push(Piece::Message(farewell))?;
        }
        let retry = farewell_retry(self.farewell_spread, random_seed());
        frame.push(Piece::Message(Message::new().retry(retry)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_opening_has_the_default_reconnection_time() {
        let encoded = Message::new().retry(DEFAULT_RETRY).encode().expect("a short message");
        assert_eq!(encoded.as_bytes(), DEFAULT_OPENING);
        for (retry, expect) in [
            (Some(DEFAULT_RETRY), "retry: 3000\n"),
            (Some(Duration::from_millis(1)), "retry: 1\n"),
            (None, ""),
        ] {
            let settings = StreamSettings { retry, ..StreamSettings::default() };
            let mut frame = Frame::default();
            settings.opening().into_iter().for_each(|piece| frame.push(piece).expect("short"));
            assert_eq!(frame.into_bytes(), expect);
        }
    }
}

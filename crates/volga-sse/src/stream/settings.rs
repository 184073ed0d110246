//! How a stream behaves beside carrying its messages: what was set, and what that comes to.

use std::{future::Future, pin::Pin, task::Context, time::Duration};

use tokio::time::Instant;

use crate::codec::error::EncodeError;
use crate::codec::message::Message;
use crate::stream::close::{CloseHandle, EndReason};
use crate::stream::frame::Frame;
use crate::stream::heartbeat::{Heartbeat, due};
use crate::stream::item::sealed::Piece;
use crate::stream::response::DEFAULT_RETRY;
use crate::stream::schedule::Schedule;
use crate::stream::spread::{DEFAULT_FAREWELL_SPREAD, farewell_retry, part_of, random_seed};

/// How a body behaves beside carrying its messages.
pub(crate) struct Settings {
    pub(crate) retry: Option<Duration>,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) farewell: Option<Message>,
    pub(crate) farewell_spread: Duration,
    pub(crate) close_on: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    pub(crate) max_age: Option<MaxAge>,
    pub(crate) deadline: Option<std::time::Instant>,
}

/// A maximum age, and the window within which each stream has one of its own.
pub(crate) struct MaxAge {
    pub(crate) age: Duration,
    pub(crate) jitter: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retry: Some(DEFAULT_RETRY),
            heartbeat: Heartbeat::default(),
            farewell: None,
            farewell_spread: DEFAULT_FAREWELL_SPREAD,
            close_on: None,
            max_age: None,
            deadline: None,
        }
    }
}

impl Settings {
    /// What a stream starts with: the reconnection time that holds for it, so that one from an earlier farewell does not stick.
    pub(crate) fn opening(&self) -> Option<Message> {
        self.retry.map(|time| Message::new().retry(time))
    }

    /// The stream's times, once it starts.
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

    /// Whether an open stream does the same without these settings.
    pub(crate) fn is_default_from_now_on(&self) -> bool {
        self.heartbeat.bytes() == Heartbeat::default().bytes()
            && self.farewell.is_none()
            && self.farewell_spread == DEFAULT_FAREWELL_SPREAD
            && self.close_on.is_none()
    }

    /// Closes the stream once what it was to close on has happened.
    pub(crate) fn poll_close_on(&mut self, cx: &mut Context<'_>, close: &CloseHandle) {
        if let Some(happens) = &mut self.close_on
            && happens.as_mut().poll(cx).is_ready()
        {
            self.close_on = None;
            close.close();
        }
    }

    pub(crate) fn say_farewell(&mut self, frame: &mut Frame) -> Result<(), EncodeError> {
        if let Some(farewell) = self.farewell.take() {
            frame.push(Piece::Own(farewell))?;
        }
        let retry = farewell_retry(self.farewell_spread, random_seed());
        frame.push(Piece::Own(Message::new().retry(retry)))
    }
}

//! A publisher on a thread of its own, so that it does not wait while the load reads the streams.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{failure::Failure, progress::Progress, publisher::Publisher};

/// When the publisher sends its next request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pace {
    /// As soon as the message may be on its way.
    Requests,
    /// Then, and not before the last request has its response.
    Responses,
}

/// The thread ends when this value is dropped.
pub(crate) struct PublisherThread {
    windows: Sender<Duration>,
    results: Receiver<Result<(), Failure>>,
}

impl PublisherThread {
    pub(crate) fn start(mut publisher: Publisher, pace: Pace, progress: Arc<Progress>) -> Self {
        let (windows, orders) = mpsc::channel();
        let (done, results) = mpsc::channel();
        thread::spawn(move || {
            for window in orders {
                let result = publish_for(window, &mut publisher, pace, &progress);
                if done.send(result).is_err() {
                    return;
                }
            }
        });
        Self { windows, results }
    }

    /// Begins to publish for this time.
    pub(crate) fn begin(&self, window: Duration) -> Result<(), Failure> {
        self.windows.send(window).map_err(|_| Self::gone())
    }

    /// Returns true once the time is over and each request has its response.
    pub(crate) fn has_ended(&self) -> Result<bool, Failure> {
        match self.results.try_recv() {
            Ok(result) => result.map(|()| true),
            Err(TryRecvError::Empty) => Ok(false),
            Err(TryRecvError::Disconnected) => Err(Self::gone()),
        }
    }

    fn gone() -> Failure {
        Failure::new("the thread of the publisher has ended")
    }
}

fn publish_for(
    window: Duration,
    publisher: &mut Publisher,
    pace: Pace,
    progress: &Progress,
) -> Result<(), Failure> {
    let at_most = if pace == Pace::Responses { 1 } else { u64::MAX };
    let begin = Instant::now();
    while let Some(left) = window.checked_sub(begin.elapsed()) {
        let numbers = progress.wait_and_publish(at_most, left);
        if !numbers.is_empty() {
            publisher.publish(numbers)?;
        }
        match pace {
            Pace::Requests => publisher.read_responses()?,
            Pace::Responses => publisher.wait_for_responses()?,
        }
    }
    publisher.wait_for_responses()
}

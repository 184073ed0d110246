//! The queue between the hub and the thread that owns the file.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use volga_sse::Position;
use volga_sse::hub::{Append, Receipt, Relay, RelayError, RelayFuture, SendError};

/// The results of one call of `append`.
pub(crate) type Results = Vec<Result<Receipt, SendError>>;

/// One call of `append`.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) batch: Vec<Append>,
    pub(crate) reply: oneshot::Sender<Results>,
}

/// The last position of the log.
#[derive(Clone, Debug)]
pub(crate) struct Tail(Arc<Mutex<Position>>);

impl Tail {
    pub(crate) fn set(&self, position: Position) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = position;
    }

    pub(crate) fn position(&self) -> Position {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct DiskRelay {
    jobs: SyncSender<Job>,
    max_queued: usize,
    pub(crate) tail: Tail,
}

impl DiskRelay {
    pub(crate) fn new(max_queued: usize) -> (Self, Receiver<Job>) {
        let (jobs, receiver) = sync_channel(max_queued);
        let tail = Tail(Arc::new(Mutex::new(Position::new(0, 0))));
        (Self { jobs, max_queued, tail }, receiver)
    }
}

/// Whether this is for the hubs of other nodes. This log has one hub, which has already done it.
fn is_between_nodes(append: &Append) -> bool {
    !append.topic().is_ascii()
}

impl Relay for DiskRelay {
    fn append(&self, batch: Vec<Append>) -> RelayFuture<Results> {
        let count = batch.len();
        if batch.iter().all(is_between_nodes) {
            let receipt = Receipt::new(self.tail.position(), 1);
            return Box::pin(std::future::ready(vec![Ok(receipt); count]));
        }
        let (reply, results) = oneshot::channel();
        let refused = match self.jobs.try_send(Job { batch, reply }) {
            Ok(()) => None,
            Err(TrySendError::Full(_)) => {
                let max = self.max_queued;
                Some(format!(
                    "{max} calls already wait for the disk (`max_queued`); \
                     send less at once, or use a faster disk"
                ))
            }
            Err(TrySendError::Disconnected(_)) => Some(
                "nothing is written to the log any more, because the hub is closed or the thread \
                 of the log has panicked"
                    .to_owned(),
            ),
        };
        Box::pin(async move {
            if let Some(text) = refused {
                return vec![Err(SendError::NotSent(RelayError::new(text))); count];
            }
            results.await.unwrap_or_else(|_| {
                let ended = || RelayError::new("the thread of the log ended while it wrote");
                vec![Err(SendError::Unknown(ended())); count]
            })
        })
    }

    fn tail(&self) -> RelayFuture<Result<Position, RelayError>> {
        Box::pin(std::future::ready(Ok(self.tail.position())))
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, IntoFuture};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use volga_sse::Message;
    use volga_sse::hub::Hub;

    use super::*;

    #[test]
    fn a_queue_has_a_bound_and_its_end_is_told() {
        let (relay, jobs) = DiskRelay::new(2);
        let (hub, _feed) = Hub::builder().build_shared(relay);
        let send = || hub.send("a", Message::new()).into_future();
        let mut poll = Context::from_waker(Waker::noop());
        let mut waiting = [send(), send()];
        assert!(waiting.iter_mut().all(|one| pin!(one).poll(&mut poll).is_pending()));
        let Poll::Ready(Err(SendError::NotSent(error))) = pin!(send()).poll(&mut poll) else {
            panic!("the queue is full");
        };
        assert!(error.to_string().starts_with("2 calls already wait"), "{error}");
        drop(jobs);
        for one in &mut waiting {
            let result = pin!(one).poll(&mut poll);
            assert!(matches!(result, Poll::Ready(Err(SendError::Unknown(_)))), "{result:?}");
        }
        let result = pin!(send()).poll(&mut poll);
        assert!(matches!(result, Poll::Ready(Err(SendError::NotSent(_)))), "{result:?}");
    }
}

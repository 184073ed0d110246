//! `RedisRelay`: the requests of the hub.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use volga_sse::Position;
use volga_sse::hub::{Append, Receipt, Relay, RelayError, RelayFuture, SendError};

use crate::queue::{RequestQueue, ended};
use crate::settings::MAX_RETRY_KEY;

/// Passes the requests of the hub to the task that appends.
#[derive(Debug)]
pub(crate) struct RedisRelay {
    pub(crate) queue: Arc<RequestQueue>,
    pub(crate) max_send_wait: Duration,
}

impl Relay for RedisRelay {
    fn append(&self, batch: Vec<Append>) -> RelayFuture<Vec<Result<Receipt, SendError>>> {
        let deadline = Instant::now() + self.max_send_wait;
        let start = |append: Append| {
            if append.retry_key().is_some_and(|key| key.len() > MAX_RETRY_KEY) {
                let text = format!("a retry key may have {MAX_RETRY_KEY} bytes (`MAX_RETRY_KEY`)");
                return Err(RelayError::new(text));
            }
            self.queue.append(append, deadline)
        };
        let started: Vec<_> = batch.into_iter().map(start).collect();
        Box::pin(async move {
            let mut results = Vec::with_capacity(started.len());
            for started in started {
                results.push(match started {
                    Ok(reply) => reply.await.unwrap_or_else(|_| Err(SendError::Unknown(ended()))),
                    Err(error) => Err(SendError::NotSent(error)),
                });
            }
            results
        })
    }

    fn tail(&self) -> RelayFuture<Result<Position, RelayError>> {
        let reply = self.queue.tail(Instant::now() + self.max_send_wait);
        Box::pin(async move { reply?.await.unwrap_or_else(|_| Err(ended())) })
    }
}

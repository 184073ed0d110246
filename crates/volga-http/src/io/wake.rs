//! Wakes a task that has more to do, after the others have had their turn.

use std::pin::pin;
use std::task::Context;

use tokio::task::yield_now;

/// Wakes the task once the runtime has run the other ready tasks and has then polled the sockets.
///
/// A task that wakes itself with its waker is ready at once. While such a task is ready, Tokio
/// looks at the sockets only after every 61st poll of a task. So if a few clients always have more,
/// all the others would wait for dozens of their turns.
pub(crate) fn wake_after_sockets(cx: &mut Context<'_>) {
    // The first poll gives the waker to the runtime, which keeps it although the future is dropped.
    let _is_pending = pin!(yield_now()).poll(cx);
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn a_socket_is_noticed_although_a_task_always_has_more() {
        let (mut near, mut far) = UnixStream::pair().expect("a pair of sockets");
        let polls = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&polls);
        let bystander = tokio::spawn(async move {
            far.read_u8().await.expect("a byte comes");
            counted.load(Ordering::Relaxed)
        });
        // The bystander waits for its socket from now on.
        yield_now().await;
        near.write_all(b"x").await.expect("room");
        let counted = Arc::clone(&polls);
        let greedy = tokio::spawn(poll_fn(move |cx| {
            counted.fetch_add(1, Ordering::Relaxed);
            wake_after_sockets(cx);
            Poll::<()>::Pending
        }));
        let before = bystander.await.expect("no panic");
        greedy.abort();
        assert!(before <= 2, "{before} polls before the bystander's");
    }
}

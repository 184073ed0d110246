//! A stream written as a block of code: what `sse_stream!` expands to.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use pin_project_lite::pin_project;

/// Makes a stream of a block of code in which `yield` sends an item and `?` ends the stream with an
/// error.
///
/// The block is async: it may await anything between two items. It runs only while the client takes
/// the items, and it is dropped at its current `await` or `yield` when the client leaves. `?` boxes
/// its error, and the stream ends with it. `yield` also works inside of other macros, such as
/// `tokio::select!`.
///
/// ```
/// use volga_sse::{Message, Sse, sse_stream};
///
/// let squares = sse_stream! {
///     for n in ["1", "2", "three"] {
///         let n: u32 = n.parse()?;
///         yield Message::new().data((n * n).to_string());
///     }
/// };
/// let response = Sse::new(squares).into_response();
/// # assert_eq!(response.status(), 200);
/// ```
#[macro_export]
macro_rules! sse_stream {
    ($($body:tt)*) => {
        $crate::generate::<_, $crate::BoxError, _, _>(|yielder| {
            $crate::__private::yields!(yielder { $($body)* })
        })
    };
}

/// Makes a stream of an async function that sends its items through the [`Yielder`] that it gets.
/// An error of the function is the stream's last item.
///
/// [`sse_stream!`](crate::sse_stream) is the same with `yield`.
pub fn generate<T, E, F, Fut>(block: F) -> GeneratedStream<T, E, Fut>
where
    F: FnOnce(Yielder<T>) -> Fut,
    Fut: Future<Output = Result<(), E>>,
{
    let slot = Arc::new(Mutex::new(ItemSlot { item: None, senders: Vec::new() }));
    let block = block(Yielder { slot: Arc::clone(&slot) });
    GeneratedStream { block: Some(block), slot, error: None }
}

/// Holds the one item that the block has sent and the stream has not returned yet.
struct ItemSlot<T> {
    item: Option<T>,
    /// The tasks that wait until the slot is empty again: one, unless the block sends from several
    /// futures at a time.
    senders: Vec<Waker>,
}

fn lock<T>(slot: &Mutex<ItemSlot<T>>) -> MutexGuard<'_, ItemSlot<T>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends the items of a [`generate`]d stream from its block.
pub struct Yielder<T> {
    slot: Arc<Mutex<ItemSlot<T>>>,
}

impl<T> Yielder<T> {
    /// Sends an item, and waits until the stream has returned it.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the item was either sent or not; it is never sent in part.
    pub fn send(&self, item: T) -> impl Future<Output = ()> + use<'_, T> {
        let mut item = Some(item);
        std::future::poll_fn(move |cx| {
            let mut slot = lock(&self.slot);
            // There may be an item already, from a send whose future was dropped after its first
            // poll. That item goes first.
            if slot.item.is_none() {
                match item.take() {
                    Some(item) => slot.item = Some(item),
                    None => return Poll::Ready(()),
                }
            }
            if !slot.senders.iter().any(|sender| sender.will_wake(cx.waker())) {
                slot.senders.push(cx.waker().clone());
            }
            Poll::Pending
        })
    }
}

impl<T> fmt::Debug for Yielder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").finish_non_exhaustive()
    }
}

pin_project! {
    /// The stream that [`generate`] returns.
    pub struct GeneratedStream<T, E, Fut> {
        #[pin]
        block: Option<Fut>,
        slot: Arc<Mutex<ItemSlot<T>>>,
        // The block's error, while its last item is returned first.
        error: Option<E>,
    }
}

impl<T, E, Fut> Stream for GeneratedStream<T, E, Fut>
where
    Fut: Future<Output = Result<(), E>>,
{
    type Item = Result<T, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T, E>>> {
        let mut this = self.project();
        let mut running = false;
        if let Some(block) = this.block.as_mut().as_pin_mut() {
            match block.poll(cx) {
                Poll::Pending => running = true,
                Poll::Ready(end) => {
                    *this.error = end.err();
                    this.block.set(None);
                }
            }
        }

        let mut slot = lock(this.slot);
        if let Some(item) = slot.item.take() {
            // The task that polls this stream polls it again after an item. Only senders with other
            // wakers have to be woken, such as those within a set of futures.
            slot.senders.retain(|sender| !sender.will_wake(cx.waker()));
            if !slot.senders.is_empty() {
                let senders = std::mem::take(&mut slot.senders);
                // Not under the lock, because a waker is foreign code.
                drop(slot);
                senders.into_iter().for_each(Waker::wake);
            }
            return Poll::Ready(Some(Ok(item)));
        }
        if running { Poll::Pending } else { Poll::Ready(this.error.take().map(Err)) }
    }
}

impl<T, E, Fut> fmt::Debug for GeneratedStream<T, E, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeneratedStream")
            .field("ended", &self.block.is_none())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};

    use super::*;
    use crate::box_error::BoxError;
    use crate::codec::message::Message;

    async fn data(stream: impl Stream<Item = Result<Message, BoxError>>) -> Vec<String> {
        stream
            .map(|item| match item.map(Message::encode) {
                Ok(Ok(message)) => String::from_utf8_lossy(message.as_bytes()).trim().to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(error) => format!("error: {error}"),
            })
            .collect()
            .await
    }

    #[tokio::test]
    async fn yield_sends_wherever_it_stands() {
        let stream = crate::sse_stream! {
            yield Message::new().data("first");
            for n in [1, 2] {
                match n {
                    1 => yield Message::new().data("one"),
                    _ => {
                        tokio::task::yield_now().await;
                        yield Message::new().data(Vec::<char>::from_iter(['t', 'w', 'o']).iter().collect::<String>());
                    }
                }
            }
            tokio::select! {
                () = std::future::ready(()) => { yield Message::new().data("in a macro"); }
            }
        };
        let expect = ["data: first", "data: one", "data: two", "data: in a macro"];
        assert_eq!(data(stream).await, expect);
    }

    #[tokio::test]
    async fn an_error_is_the_last_item() {
        let stream = crate::sse_stream! {
            yield Message::new().data("1");
            let _: u8 = "x".parse()?;
            yield Message::new().data("never");
        };
        assert_eq!(data(stream).await, ["data: 1", "error: invalid digit found in string"]);
    }

    #[tokio::test]
    async fn a_block_may_return_early_and_loop_for_ever() {
        let stream = crate::sse_stream! {
            let mut n = 0;
            loop {
                n += 1;
                yield Message::new().data(n.to_string());
                if n == 2 {
                    return Ok(());
                }
            }
        };
        assert_eq!(data(stream).await, ["data: 1", "data: 2"]);
    }

    #[test]
    fn a_block_runs_to_its_next_yield_and_its_variables_are_dropped_where_it_stopped() {
        for polls in 0..=4 {
            let (held, passed) = (Arc::new(()), Arc::new(AtomicUsize::new(0)));
            let (in_block, count) = (Arc::clone(&held), Arc::clone(&passed));
            let mut stream = Box::pin(crate::sse_stream! {
                let _kept = in_block;
                for number in 1..=2 {
                    count.store(number, Ordering::Relaxed);
                    yield Message::new();
                }
                count.store(3, Ordering::Relaxed);
                std::future::pending::<()>().await;
            });
            for _ in 0..polls {
                let _ = stream.next().now_or_never();
            }
            // A reader that takes no message stops the block at its `yield`.
            assert_eq!(passed.load(Ordering::Relaxed), polls.min(3));
            assert_eq!(Arc::strong_count(&held), 2);
            drop(stream);
            assert_eq!(Arc::strong_count(&held), 1, "after {polls} polls");
        }
    }

    #[tokio::test]
    async fn senders_with_wakers_of_their_own_are_told() {
        let stream = generate::<_, Infallible, _, _>(|yielder| async move {
            let sends: FuturesUnordered<_> = (0..3).map(|n| yielder.send(n)).collect();
            sends.collect::<()>().await;
            Ok(())
        });
        let mut items: Vec<i32> = stream.map(|item| item.unwrap_or(-1)).collect().await;
        items.sort_unstable();
        assert_eq!(items, [0, 1, 2]);
    }

    #[tokio::test]
    async fn an_item_whose_send_was_dropped_goes_before_the_next_and_before_an_error() {
        let stream = generate(|yielder| async move {
            tokio::select! {
                biased;
                () = yielder.send(1) => {}
                () = std::future::ready(()) => {}
            }
            yielder.send(2).await;
            tokio::select! {
                biased;
                () = yielder.send(3) => {}
                () = std::future::ready(()) => {}
            }
            Err("end")
        });
        let items: Vec<Result<i32, &str>> = stream.collect().await;
        assert_eq!(items, [Ok(1), Ok(2), Ok(3), Err("end")]);
    }
}

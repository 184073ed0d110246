//! The texts of a hub's last messages, which all their readers share.
//!
//! A hub keeps its messages encoded as events, and knows nothing of WebSockets. So the text for
//! WebSockets is kept here, and hubs whose messages are not forwarded pay nothing for it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use crate::message::Utf8Bytes;

/// How many messages all threads together remember.
const REMEMBERED: usize = 256;

/// How many bytes these messages may have in total: 4 MiB. The newest one is always remembered.
const MAX_REMEMBERED_BYTES: usize = 4 * 1024 * 1024;

/// How many messages each thread remembers, so that most readers take no lock.
const REMEMBERED_BY_THREAD: usize = 16;

/// The largest message that a thread remembers. For a larger one, the lock costs little beside it.
const MAX_LOCAL_BYTES: usize = 16 * 1024;

/// A message as the hub has encoded it, and its text. The bytes are kept, so their address belongs
/// to no other message.
#[derive(Clone)]
struct SharedText {
    bytes: Bytes,
    /// Set by the first reader. The others wait for it, without the lock.
    text: Arc<OnceLock<Utf8Bytes>>,
}

#[derive(Default)]
struct SharedTexts {
    texts: VecDeque<SharedText>,
    bytes: usize,
}

static SHARED: Mutex<SharedTexts> = Mutex::new(SharedTexts { texts: VecDeque::new(), bytes: 0 });

thread_local! {
    /// The last texts that this thread has looked up.
    static LOCAL: RefCell<VecDeque<SharedText>> = const { RefCell::new(VecDeque::new()) };
}

/// Returns the text of a message. The first reader of the message encodes it.
pub(crate) fn shared_text(bytes: Bytes, encode: fn(&[u8]) -> Utf8Bytes) -> Utf8Bytes {
    let known = LOCAL.with_borrow(|local| find(local, &bytes)?.text.get().cloned());
    known.unwrap_or_else(|| encode_shared(bytes, encode))
}

/// Returns the text of a message whose text this thread does not know.
#[cold]
fn encode_shared(bytes: Bytes, encode: fn(&[u8]) -> Utf8Bytes) -> Utf8Bytes {
    let shared = look_up(bytes);
    let text = shared.text.get_or_init(|| encode(&shared.bytes)).clone();
    if shared.bytes.len() <= MAX_LOCAL_BYTES {
        LOCAL.with_borrow_mut(|local| {
            if local.len() == REMEMBERED_BY_THREAD {
                local.pop_front();
            }
            local.push_back(shared);
        });
    }
    text
}

/// Finds the message among those of all threads, or adds it.
fn look_up(bytes: Bytes) -> SharedText {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = find(&shared.texts, &bytes) {
        return known.clone();
    }
    shared.bytes += bytes.len();
    let new = SharedText { bytes, text: Arc::default() };
    shared.texts.push_back(new.clone());
    while shared.texts.len() > REMEMBERED
        || (shared.bytes > MAX_REMEMBERED_BYTES && shared.texts.len() > 1)
    {
        let old = shared.texts.pop_front();
        shared.bytes -= old.map_or(0, |old| old.bytes.len());
    }
    new
}

/// The newest messages are at the back.
fn find<'a>(texts: &'a VecDeque<SharedText>, bytes: &Bytes) -> Option<&'a SharedText> {
    let is_same = |text: &&SharedText| {
        text.bytes.as_ptr() == bytes.as_ptr() && text.bytes.len() == bytes.len()
    };
    texts.iter().rev().find(is_same)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    static ENCODED: AtomicUsize = AtomicUsize::new(0);

    fn encode(bytes: &[u8]) -> Utf8Bytes {
        ENCODED.fetch_add(1, Ordering::Relaxed);
        String::from_utf8_lossy(bytes).into_owned().into()
    }

    fn message(at: usize, size: usize) -> Bytes {
        Bytes::from(at.to_string() + &" ".repeat(size))
    }

    /// One test, because it counts what the process encodes.
    #[test]
    fn a_message_is_encoded_once_for_the_readers_of_all_threads() {
        const THREADS: usize = 4;
        for (messages, size) in [(200, 20), (20, 100_000), (2, 5_000_000)] {
            let before = ENCODED.load(Ordering::Relaxed);
            let all: Vec<_> = (0..messages).map(|at| message(at, size)).collect();
            let barrier = std::sync::Barrier::new(THREADS);
            let read = || {
                let mut addresses = HashMap::new();
                for (at, bytes) in all.iter().enumerate() {
                    // Many readers of a message, on each thread.
                    for _ in 0..3 {
                        let text = shared_text(bytes.clone(), encode);
                        assert_eq!(text.as_bytes(), bytes);
                        let address = *addresses.entry(at).or_insert(text.as_ptr().addr());
                        assert_eq!(address, text.as_ptr().addr());
                    }
                    barrier.wait();
                }
                addresses
            };
            let addresses: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(read)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(addresses.iter().all(|other| *other == addresses[0]), "{messages}");
            assert_eq!(ENCODED.load(Ordering::Relaxed) - before, messages);
        }
        let (texts, bytes) = {
            let shared = SHARED.lock().unwrap();
            (shared.texts.len(), shared.bytes)
        };
        assert!((1..=REMEMBERED).contains(&texts), "{texts}");
        assert!(bytes <= MAX_REMEMBERED_BYTES || texts == 1, "{bytes}");
        // Thousands of messages take no more.
        for at in 0..3_000 {
            shared_text(message(at, 10_000), encode);
            let shared = SHARED.lock().unwrap();
            let sum: usize = shared.texts.iter().map(|text| text.bytes.len()).sum();
            assert_eq!(sum, shared.bytes);
            assert!(shared.texts.len() <= REMEMBERED && sum <= MAX_REMEMBERED_BYTES);
        }
    }
}

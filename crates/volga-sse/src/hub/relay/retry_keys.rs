//! The retry keys of messages that a hub without a relay has published. Pure.

use std::sync::Arc;
use std::time::Duration;

use crate::hub::clock::Moment;
use crate::hub::stepped_map::SteppedMap;
use crate::hub::stepped_queue::SteppedQueue;

/// For how long a message with the same retry key counts as the same message.
pub const RETRY_WINDOW: Duration = Duration::from_secs(120);
/// How many retry keys a hub remembers. Beyond that it forgets the oldest.
pub const MAX_RETRY_KEYS: usize = 100_000;

/// How many keys that are too old one call forgets. Each call adds one key at most, so they become
/// fewer.
const FORGOTTEN_PER_CALL: usize = 8;

/// The numbers of published messages by their retry keys.
#[derive(Debug, Default)]
pub(crate) struct RetryKeys {
    /// With the time of each message, because those that are too old are forgotten a few at a time.
    numbers: SteppedMap<Arc<str>, (Moment, u64)>,
    /// In the order of time.
    all: SteppedQueue<(Moment, Arc<str>)>,
}

impl RetryKeys {
    /// The number of the message that was published with this key within the window.
    pub(crate) fn find(&mut self, key: &str, now: Moment) -> Option<u64> {
        let window = RETRY_WINDOW.as_millis() as u64;
        let is_over = |at: Moment| at.age(now) > window;
        for _ in 0..FORGOTTEN_PER_CALL {
            if self.all.front().is_some_and(|(at, _)| is_over(*at)) {
                self.forget_first();
            }
        }
        self.numbers.get(key).filter(|(at, _)| !is_over(*at)).map(|(_, number)| *number)
    }

    /// Notes a message with a key that [`find`](Self::find) did not find.
    pub(crate) fn note(&mut self, key: &Arc<str>, number: u64, now: Moment) {
        if self.all.len() == MAX_RETRY_KEYS {
            self.forget_first();
        }
        self.numbers.insert(Arc::clone(key), (now, number));
        self.all.push_back((now, Arc::clone(key)));
    }

    fn forget_first(&mut self) {
        if let Some((at, key)) = self.all.pop_front()
            && self.numbers.get(&key).is_some_and(|(last, _)| *last == at)
        {
            #[cfg(test)]
            crate::hub::work_counts::note_work(1);
            self.numbers.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_within_the_window_and_the_bound() {
        let window = RETRY_WINDOW.as_millis() as u64;
        let mut keys = RetryKeys::default();
        keys.note(&"a".into(), 7, Moment(10));
        assert_eq!(keys.find("a", Moment(10 + window)), Some(7));
        assert_eq!(keys.find("a", Moment(11 + window)), None);
        for number in 0..=MAX_RETRY_KEYS as u64 {
            keys.note(&number.to_string().into(), number, Moment(0));
        }
        assert_eq!((keys.all.len(), keys.numbers.len()), (MAX_RETRY_KEYS, MAX_RETRY_KEYS));
        assert_eq!(keys.find("0", Moment(0)), None);
        assert_eq!(keys.find("1", Moment(0)), Some(1));
    }
}

//! What was published and who has it: each stream must get each message once, in order (pure, but for the clock of its samples).

use crate::{
    clock,
    publisher::DATA,
    wire::{Event, Malformed},
};

/// Latency is sampled on one stream of so many.
const SAMPLED: usize = 8;

/// The messages of one topic, on their way to all streams.
#[derive(Debug)]
pub(crate) struct Deliveries {
    /// The number that each stream must get next.
    next: Vec<u64>,
    published: u64,
    /// Messages that every stream has.
    complete: u64,
    /// How many streams have message `complete`, the one after it, and so on, in a ring.
    counts: Box<[usize]>,
    /// Nanoseconds, while sampling.
    samples: Vec<u64>,
    sampling: bool,
}

impl Deliveries {
    /// At most `outstanding` messages are on their way at once.
    pub(crate) fn new(streams: usize, outstanding: usize) -> Self {
        Self {
            next: vec![0; streams],
            published: 0,
            complete: 0,
            counts: vec![0; outstanding].into_boxed_slice(),
            samples: Vec::new(),
            sampling: false,
        }
    }

    /// The numbers of the messages that may be published now, up to `total` in all. The caller publishes them.
    pub(crate) fn publish(&mut self, total: u64) -> std::ops::Range<u64> {
        let until = total.min(self.complete + self.counts.len() as u64);
        let range = self.published..until;
        self.published = until;
        range
    }

    pub(crate) fn complete(&self) -> u64 {
        self.complete
    }

    /// Begins to sample latencies, of so many messages.
    pub(crate) fn sample(&mut self, messages: u64) {
        self.samples.reserve_exact(self.next.len().div_ceil(SAMPLED) * messages as usize);
        self.sampling = true;
    }

    pub(crate) fn take_samples(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.samples)
    }

    /// Takes note of an event that a stream got.
    pub(crate) fn take(&mut self, stream: usize, event: Event<'_>) -> Result<(), Malformed> {
        let Event::Data(data) = event else { return Ok(()) };
        let (number, time) = parse(data).ok_or_else(|| {
            Malformed::new(format!("data that nobody published: `{}`", data.escape_ascii()))
        })?;
        let expected = self.next[stream];
        if number != expected || number >= self.published {
            return Err(Malformed::new(format!("message {number} instead of {expected}")));
        }
        self.next[stream] += 1;
        let ring = self.counts.len() as u64;
        let count = &mut self.counts[(number % ring) as usize];
        *count += 1;
        // Streams get messages in order, so no later message is complete before this one.
        if *count == self.next.len() {
            *count = 0;
            self.complete += 1;
        }
        if self.sampling && stream.is_multiple_of(SAMPLED) {
            self.samples.push(clock::now().saturating_sub(time));
        }
        Ok(())
    }
}

/// Number and time of a message: ten digits, a space, twenty digits.
fn parse(data: &[u8]) -> Option<(u64, u64)> {
    if data.len() != DATA || data[10] != b' ' || data[31] != b' ' {
        return None;
    }
    Some((decimal(&data[..10])?, decimal(&data[11..31])?))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deliver(deliveries: &mut Deliveries, stream: usize, number: u64) -> Result<(), Malformed> {
        let data = format!("{number:010} {:020} {:.<32}", 0, "");
        deliveries.take(stream, Event::Data(data.as_bytes()))
    }

    #[test]
    fn a_message_is_complete_when_every_stream_has_it() {
        let mut deliveries = Deliveries::new(2, 3);
        assert_eq!(deliveries.publish(10), 0..3);
        for number in 0..3 {
            assert_eq!(deliver(&mut deliveries, 0, number), Ok(()));
        }
        assert_eq!(deliveries.complete(), 0);
        assert_eq!(deliveries.publish(10), 3..3);
        assert_eq!(deliver(&mut deliveries, 1, 0), Ok(()));
        assert_eq!(deliveries.complete(), 1);
        assert_eq!(deliveries.publish(10), 3..4);
        assert_eq!(deliveries.publish(10), 4..4);
    }

    #[test]
    fn a_message_missing_twice_or_made_up_is_noticed() {
        let mut deliveries = Deliveries::new(1, 8);
        assert_eq!(deliveries.publish(3), 0..3);
        assert!(deliver(&mut deliveries, 0, 1).is_err(), "0 is missing");
        assert_eq!(deliver(&mut deliveries, 0, 0), Ok(()));
        assert!(deliver(&mut deliveries, 0, 0).is_err(), "0 came twice");
        assert_eq!(deliver(&mut deliveries, 0, 1), Ok(()));
        assert_eq!(deliver(&mut deliveries, 0, 2), Ok(()));
        assert!(deliver(&mut deliveries, 0, 3).is_err(), "3 was not published");
        assert!(deliveries.take(0, Event::Data(b"0000000003")).is_err(), "cut");
    }

    #[test]
    fn latency_is_sampled_on_some_streams_once_it_is_asked_for() {
        let mut deliveries = Deliveries::new(SAMPLED + 1, 2);
        deliveries.publish(2);
        for stream in 0..=SAMPLED {
            deliver(&mut deliveries, stream, 0).expect("in order");
        }
        deliveries.sample(1);
        for stream in 0..=SAMPLED {
            deliver(&mut deliveries, stream, 1).expect("in order");
        }
        assert_eq!(deliveries.take_samples().len(), 2);
    }
}

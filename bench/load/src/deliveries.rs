//! Checks that each stream gets each published message once and in order (pure, except for the
//! clock of its samples).

use std::sync::Arc;

use crate::{
    clock,
    progress::Progress,
    publisher::DATA,
    wire::{Event, Malformed, Take},
};

/// Latency is sampled on one stream of this many.
const SAMPLED: usize = 16;
/// The number of samples that are kept: more than a round has. Further deliveries are not sampled,
/// so that reading never allocates memory for samples.
const SAMPLES: usize = 1 << 20;

/// The messages of one topic, on their way to all streams.
///
/// Nearly all bytes that a stream gets are bytes that another stream got just before. So the bytes
/// of each message, as they were last read and checked, are kept while the message is on its way.
/// Bytes that equal them are taken for that message. All other bytes are read field by field. This
/// is the same for every server, however it writes its events.
#[derive(Debug)]
pub(crate) struct Deliveries {
    /// For each stream, the number of the message that it must get next.
    next: Vec<u64>,
    progress: Arc<Progress>,
    /// A ring of counts: how many streams must get message `complete` next, how many the one after
    /// it, and so on.
    waiting: Box<[usize]>,
    /// The messages that are on their way, in a ring.
    known: Box<[Known]>,
    samples: Samples,
}

/// A message that at least one stream has.
#[derive(Clone, Debug)]
struct Known {
    number: u64,
    time: u64,
    /// The bytes of its event. The buffer keeps its memory, so reading allocates once for each
    /// place in the ring.
    wire: Vec<u8>,
}

/// The latencies. Nothing is sampled until the vector has capacity.
#[derive(Debug, Default)]
struct Samples {
    nanoseconds: Vec<u64>,
}

impl Deliveries {
    /// Allows at most `outstanding` messages on their way at once.
    pub(crate) fn new(streams: usize, outstanding: usize) -> Self {
        // A stream may wait for any of the messages that are on their way, or for the one after
        // them. The lengths of the rings are powers of two, because dividing by another length cost
        // more than comparing a message.
        let places = (outstanding + 1).next_power_of_two();
        let mut waiting = vec![0; places];
        waiting[0] = streams;
        let nothing = Known { number: u64::MAX, time: 0, wire: Vec::new() };
        Self {
            next: vec![0; streams],
            progress: Arc::new(Progress::new(outstanding as u64)),
            waiting: waiting.into_boxed_slice(),
            known: vec![nothing; places].into_boxed_slice(),
            samples: Samples::default(),
        }
    }

    /// Returns the numbers of the messages that may be published now. The caller publishes them.
    pub(crate) fn publish(&mut self) -> std::ops::Range<u64> {
        self.progress.publish(u64::MAX)
    }

    /// How far the messages are, for a publisher on a thread of its own.
    pub(crate) fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// The number of messages that every stream has.
    pub(crate) fn complete(&self) -> u64 {
        self.progress.complete()
    }

    /// Whether every stream has every published message.
    pub(crate) fn are_complete(&self) -> bool {
        self.complete() == self.progress.published()
    }

    /// Begins to sample latencies.
    pub(crate) fn sample(&mut self) {
        self.samples.nanoseconds.reserve_exact(SAMPLES);
    }

    /// The samples, in nanoseconds.
    pub(crate) fn take_samples(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.samples.nanoseconds)
    }

    /// The place of a message in the rings.
    fn place(&self, number: u64) -> usize {
        number as usize & (self.waiting.len() - 1)
    }

    /// Records that a stream has all messages before this one.
    fn advance(&mut self, stream: usize, to: u64) {
        let from = std::mem::replace(&mut self.next[stream], to);
        self.waiting[self.place(from)] -= 1;
        self.waiting[self.place(to)] += 1;
        let (before, published) = (self.complete(), self.progress.published());
        let mut complete = before;
        while complete < published && self.waiting[self.place(complete)] == 0 {
            complete += 1;
        }
        if complete > before {
            self.progress.set_complete(complete);
        }
    }
}

impl Take for Deliveries {
    fn take(&mut self, stream: usize, event: Event<'_>, wire: &[u8]) -> Result<(), Malformed> {
        let Event::Data(data) = event else { return Ok(()) };
        let (number, time) = parse(data).ok_or_else(|| {
            Malformed::new(format!("data that nobody published: `{}`", data.escape_ascii()))
        })?;
        let expected = self.next[stream];
        if number != expected || number >= self.progress.published() {
            return Err(Malformed::new(format!("message {number} instead of {expected}")));
        }
        let place = self.place(number);
        let known = &mut self.known[place];
        if known.number == number && known.time != time {
            return Err(Malformed::new(format!("message {number} with the time of another")));
        }
        (known.number, known.time) = (number, time);
        known.wire.clear();
        known.wire.extend_from_slice(wire);
        self.advance(stream, number + 1);
        self.samples.take(stream, time);
        Ok(())
    }

    fn recognise(&mut self, stream: usize, bytes: &[u8]) -> usize {
        let from = self.next[stream];
        let mut number = from;
        let mut used = 0;
        let (end, begin) = self.known.split_at(self.place(from));
        for known in begin.iter().chain(end) {
            let is_next = known.number == number && !known.wire.is_empty();
            if !(is_next && bytes[used..].starts_with(&known.wire)) {
                break;
            }
            used += known.wire.len();
            number += 1;
            self.samples.take(stream, known.time);
        }
        if number > from {
            self.advance(stream, number);
        }
        used
    }
}

impl Samples {
    /// Records that a stream has a message that was published at this time.
    fn take(&mut self, stream: usize, time: u64) {
        if stream.is_multiple_of(SAMPLED) && self.nanoseconds.len() < self.nanoseconds.capacity() {
            self.nanoseconds.push(clock::now().saturating_sub(time));
        }
    }
}

/// Parses the number and the time of a message: ten digits, a space, twenty digits, a space, and
/// dots.
fn parse(data: &[u8]) -> Option<(u64, u64)> {
    let is_ours = data.len() == DATA
        && data[10] == b' '
        && data[31] == b' '
        && data[32..].iter().all(|&byte| byte == b'.');
    if !is_ours {
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
    use crate::wire::Events;

    fn data(number: u64, time: u64) -> String {
        format!("{number:010} {time:020} {:.<32}", "")
    }

    fn deliver(deliveries: &mut Deliveries, stream: usize, number: u64) -> Result<(), Malformed> {
        let data = data(number, 0);
        deliveries.take(stream, Event::Data(data.as_bytes()), &[])
    }

    /// Six messages as a server could write them, with comments and other lines between the events.
    fn wire() -> String {
        let mut wire = String::from("retry: 7\n\n: hi\n\nid: 0\n\n");
        for number in 0..6 {
            wire.push_str(&format!("id: x{number}\ndata: {}\n\n", data(number, 900 + number)));
        }
        wire
    }

    /// Reads each event by its fields, and recognises none by its bytes.
    struct Slow(Deliveries);

    impl Take for Slow {
        fn take(&mut self, stream: usize, event: Event<'_>, wire: &[u8]) -> Result<(), Malformed> {
            self.0.take(stream, event, wire)
        }
    }

    /// Deliveries in which stream 0 has all six messages.
    fn begun() -> Deliveries {
        let mut deliveries = Deliveries::new(3, 8);
        assert_eq!(deliveries.publish(), 0..8);
        Events::default().feed(0, wire().as_bytes(), &mut deliveries).expect("in order");
        deliveries
    }

    /// The result of a stream that gets these bytes in parts of this size: the number of its next
    /// message, or an error.
    fn read(taker: &mut impl Take, wire: &[u8], size: usize) -> Result<(), Malformed> {
        let mut events = Events::default();
        wire.chunks(size).try_for_each(|part| events.feed(1, part, taker))
    }

    #[test]
    fn the_fast_path_finds_the_same_events_on_any_cut() {
        let wire = wire();
        for size in 1..=wire.len() {
            let mut deliveries = begun();
            assert_eq!(read(&mut deliveries, wire.as_bytes(), size), Ok(()), "parts of {size}");
            assert_eq!(deliveries.next, [6, 6, 0], "parts of {size}");
            assert_eq!(deliveries.complete(), 0);
        }
        // If the bytes are not cut, and nothing is between the events, no event is read by its
        // fields.
        let mut deliveries = begun();
        let first = wire.find("id: x0").expect("the first event");
        assert_eq!(deliveries.recognise(1, &wire.as_bytes()[first..]), wire.len() - first);
    }

    #[test]
    fn a_message_that_is_lost_or_doubled_among_known_ones_is_noticed() {
        let wire = wire();
        let begins: Vec<usize> = wire.match_indices("id: x").map(|(at, _)| at).collect();
        for pair in begins.windows(2) {
            let (begin, end) = (pair[0], pair[1]);
            let lost = format!("{}{}", &wire[..begin], &wire[end..]);
            let doubled = format!("{}{}", &wire[..end], &wire[begin..]);
            for bad in [lost, doubled] {
                for size in 1..=bad.len() {
                    assert!(read(&mut begun(), bad.as_bytes(), size).is_err(), "{bad}, {size}");
                }
            }
        }
    }

    #[test]
    fn damage_is_noticed_among_known_messages_as_it_is_without() {
        let good = wire().into_bytes();
        for at in 0..good.len() {
            for damage in [b'\n', b'0', b'x'] {
                let mut bad = good.clone();
                bad[at] = damage;
                for size in [7, 50, bad.len()] {
                    let (mut fast, mut slow) = (begun(), Slow(begun()));
                    let as_it_is_without = read(&mut slow, &bad, size);
                    assert_eq!(read(&mut fast, &bad, size), as_it_is_without, "byte {at}");
                    assert_eq!(fast.next, slow.0.next, "byte {at}");
                    // No byte of a published message may be changed.
                    let in_data = bad[..at]
                        .iter()
                        .rposition(|&byte| byte == b':')
                        .is_some_and(|colon| at > colon + 1 && bad[..colon].ends_with(b"\ndata"));
                    let is_end = good[at] == b'\n';
                    if in_data && !is_end && bad != good {
                        assert!(as_it_is_without.is_err(), "byte {at} as {damage}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_message_is_complete_when_every_stream_has_it() {
        let mut deliveries = Deliveries::new(2, 3);
        assert_eq!(deliveries.publish(), 0..3);
        for number in 0..3 {
            assert_eq!(deliver(&mut deliveries, 0, number), Ok(()));
        }
        assert_eq!(deliveries.complete(), 0);
        assert_eq!(deliveries.publish(), 3..3);
        assert_eq!(deliver(&mut deliveries, 1, 0), Ok(()));
        assert_eq!(deliveries.complete(), 1);
        assert_eq!(deliver(&mut deliveries, 1, 1), Ok(()));
        assert_eq!(deliver(&mut deliveries, 1, 2), Ok(()));
        assert!(deliveries.are_complete());
        assert_eq!(deliveries.progress().publish(1), 3..4);
        assert_eq!(deliveries.publish(), 4..6);
        assert_eq!(deliveries.progress().publish(1), 6..6);
        assert!(!deliveries.are_complete());
    }

    #[test]
    fn a_message_missing_twice_or_made_up_is_noticed() {
        let mut deliveries = Deliveries::new(1, 3);
        assert_eq!(deliveries.publish(), 0..3);
        assert!(deliver(&mut deliveries, 0, 1).is_err(), "0 is missing");
        assert_eq!(deliver(&mut deliveries, 0, 0), Ok(()));
        assert!(deliver(&mut deliveries, 0, 0).is_err(), "0 came twice");
        assert_eq!(deliver(&mut deliveries, 0, 1), Ok(()));
        assert_eq!(deliver(&mut deliveries, 0, 2), Ok(()));
        assert!(deliver(&mut deliveries, 0, 3).is_err(), "3 was not published");
        assert!(deliveries.take(0, Event::Data(b"0000000003"), &[]).is_err(), "cut");
    }

    #[test]
    fn latency_is_sampled_on_some_streams_once_it_is_asked_for() {
        let mut deliveries = Deliveries::new(SAMPLED + 1, 2);
        deliveries.publish();
        for stream in 0..=SAMPLED {
            deliver(&mut deliveries, stream, 0).expect("in order");
        }
        deliveries.sample();
        for stream in 0..=SAMPLED {
            deliver(&mut deliveries, stream, 1).expect("in order");
        }
        assert_eq!(deliveries.take_samples().len(), 2);
    }
}

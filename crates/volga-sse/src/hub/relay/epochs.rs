//! Positions of an engine, and the hub's own numbers for them. Pure.
//!
//! Inside the hub, numbers are dense and only grow, whatever becomes of the engine. Number 0 of an
//! epoch has a number of its own there, so the end of one epoch and the start of the next are two
//! places, and a loss between them has two ends.

use crate::codec::position::Position;

/// How many epochs a hub knows. An ID of an older one is unknown.
const MAX_EPOCHS: usize = 64;

/// The epochs that a hub has seen, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct EpochTable(Vec<Epoch>);

#[derive(Clone, Copy, Debug)]
struct Epoch {
    id: u64,
    /// The hub's number of the epoch's number 0.
    base: u64,
    /// Messages after this number did not last. `u64::MAX` for the current epoch.
    through: u64,
    /// The base of the epoch after which nothing of this one is missing.
    lost_through: u64,
}

/// Where a client's position is in a hub.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// At this number.
    Known(u64),
    /// The client has received messages that the engine lost: those after `kept`. Nothing up to
    /// `lost` is to come.
    RolledBack { kept: u64, lost: u64 },
    /// Another node may have sent it, because it lies after everything that this hub has.
    Ahead,
    /// No hub of this log has sent it, or it is not known any more.
    Unknown,
}

impl EpochTable {
    /// The current epoch.
    pub(crate) fn current(&self) -> Option<u64> {
        self.0.last().map(|epoch| epoch.id)
    }

    pub(crate) fn position(&self, number: u64) -> Position {
        let epoch = self.0.iter().rev().find(|epoch| epoch.base <= number);
        match epoch {
            Some(epoch) => Position::new(epoch.id, number - epoch.base),
            None => Position::new(0, number),
        }
    }

    /// The hub's number of a position, or `None` if its epoch is not known.
    pub(crate) fn number_of(&self, position: Position) -> Option<u64> {
        let epoch = self.0.iter().rev().find(|epoch| epoch.id == position.epoch())?;
        Some(epoch.base.saturating_add(position.number()))
    }

    /// Where a position is in a hub that has everything up to `last`.
    pub(crate) fn place(&self, position: Position, last: u64) -> Place {
        let Some(number) = self.number_of(position) else {
            return match self.current() {
                Some(current) if position.epoch() < current => Place::Unknown,
                _ => Place::Ahead,
            };
        };
        let epoch = self.0.iter().rev().find(|epoch| epoch.id == position.epoch());
        match epoch {
            Some(epoch) if epoch.through == u64::MAX => {
                if number <= last {
                    Place::Known(number)
                } else {
                    Place::Ahead
                }
            }
            Some(epoch) if number > epoch.through => {
                Place::RolledBack { kept: epoch.through, lost: epoch.lost_through }
            }
            _ => Place::Known(number),
        }
    }

    /// Begins an epoch whose number 0 has the number `base`. Of the epochs before, everything up to
    /// `kept` lasted.
    pub(crate) fn begin(&mut self, id: u64, base: u64, kept: u64) {
        for epoch in self.0.iter_mut().filter(|epoch| epoch.through > kept) {
            (epoch.through, epoch.lost_through) = (kept, base);
        }
        if self.0.len() == MAX_EPOCHS {
            self.0.remove(0);
        }
        self.0.push(Epoch { id, base, through: u64::MAX, lost_through: 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: u64, number: u64) -> Position {
        Position::new(epoch, number)
    }

    #[test]
    fn an_old_position_is_known_up_to_the_end_of_its_epoch() {
        let mut epochs = EpochTable::default();
        epochs.begin(5, 0, 0);
        assert_eq!(epochs.place(at(5, 8), 8), Place::Known(8));
        assert_eq!(epochs.place(at(5, 9), 8), Place::Ahead);
        assert_eq!(epochs.place(at(6, 0), 8), Place::Ahead);
        assert_eq!(epochs.place(at(4, 0), 8), Place::Unknown);
        // The engine lost numbers 7 and 8.
        epochs.begin(9, 9, 6);
        assert_eq!(epochs.place(at(5, 6), 9), Place::Known(6));
        assert_eq!(epochs.place(at(5, 7), 9), Place::RolledBack { kept: 6, lost: 9 });
        assert_eq!(epochs.place(at(5, 99), 9), Place::RolledBack { kept: 6, lost: 9 });
        assert_eq!(epochs.place(at(9, 0), 9), Place::Known(9));
        assert_eq!(epochs.place(at(9, 1), 9), Place::Ahead);
        assert_eq!(epochs.place(at(8, 1), 9), Place::Unknown);
        // The second epoch did not last at all.
        epochs.begin(12, 10, 4);
        assert_eq!(epochs.place(at(9, 0), 10), Place::RolledBack { kept: 4, lost: 10 });
        assert_eq!(epochs.place(at(5, 5), 10), Place::RolledBack { kept: 4, lost: 10 });
        assert_eq!(epochs.place(at(5, 4), 10), Place::Known(4));
    }

    #[test]
    fn numbers_and_positions_are_each_others_inverse() {
        let mut epochs = EpochTable::default();
        for (id, base) in [(1, 0), (4, 10), (6, 11), (7, 40)] {
            epochs.begin(id, base, base.saturating_sub(1));
        }
        for number in 0..60 {
            assert_eq!(epochs.number_of(epochs.position(number)), Some(number));
        }
        assert_eq!(epochs.number_of(at(7, u64::MAX)), Some(u64::MAX));
        assert_eq!(epochs.number_of(at(3, 1)), None);
    }

    #[test]
    fn the_oldest_epochs_are_forgotten() {
        let mut epochs = EpochTable::default();
        for id in 1..=MAX_EPOCHS as u64 + 1 {
            epochs.begin(id, id, id - 1);
        }
        assert_eq!(epochs.place(at(1, 0), 1_000), Place::Unknown);
        assert!(matches!(epochs.place(at(2, 0), 1_000), Place::Known(_)));
    }
}

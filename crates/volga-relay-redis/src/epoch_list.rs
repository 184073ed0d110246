//! The epochs that the engine knows. Pure.

use volga_sse::Position;

use crate::entry::parse_id;

/// The epochs that the engine knows, from the oldest to the newest.
#[derive(Clone, Debug, Default)]
pub(crate) struct EpochList(Vec<EpochRecord>);

/// One epoch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct EpochRecord {
    pub(crate) epoch: u64,
    /// The last position of the epochs before that the engine still has.
    pub(crate) ended_at: Option<Position>,
}

impl EpochList {
    /// Reads the list: each epoch, a space, and the ID at which the epochs before ended, or
    /// nothing.
    pub(crate) fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let parse = |line: &'a [u8]| {
            let (epoch, ended_at) = str::from_utf8(line).ok()?.split_once(' ')?;
            let ended_at = match ended_at {
                "" => None,
                id => Some(parse_id(id.as_bytes())?),
            };
            Some(EpochRecord { epoch: epoch.parse().ok()?, ended_at })
        };
        lines.into_iter().map(parse).collect::<Option<_>>().map(Self)
    }

    /// Whether one of the nodes began this epoch.
    pub(crate) fn contains(&self, epoch: u64) -> bool {
        self.0.iter().any(|record| record.epoch == epoch)
    }

    /// The epochs after one, up to another.
    pub(crate) fn between(&self, after: u64, through: u64) -> Vec<EpochRecord> {
        let is_between = |record: &&EpochRecord| record.epoch > after && record.epoch <= through;
        self.0.iter().filter(is_between).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_where_epochs_ended() {
        let list = EpochList::parse([&b"5 "[..], b"9 5-7", b"12 9-0"]).expect("valid");
        let at = |epoch, ended_at| EpochRecord { epoch, ended_at };
        assert_eq!(list.between(0, 9), [at(5, None), at(9, Some(Position::new(5, 7)))]);
        assert_eq!(list.between(9, 20), [at(12, Some(Position::new(9, 0)))]);
        assert!(list.contains(9) && !list.contains(7));
        for line in ["", "5", "x 1-2", "5 1", "5 1-x"] {
            assert!(EpochList::parse([line.as_bytes()]).is_none(), "{line}");
        }
    }
}

//! A least-recently-used list: which topics have been idle longest. Pure.

use crate::hub::stepped_vec::SteppedVec;

/// Marks the end of the list.
const END: u32 = u32::MAX;

/// Slots in the order of their last use.
///
/// The list is linked through an array that has one element per slot, so every change takes
/// constant time.
#[derive(Debug)]
pub(crate) struct LruList {
    links: SteppedVec<Link>,
    oldest: u32,
    newest: u32,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    older: u32,
    newer: u32,
    is_listed: bool,
}

impl Default for LruList {
    fn default() -> Self {
        Self { links: SteppedVec::default(), oldest: END, newest: END, len: 0 }
    }
}

impl LruList {
    /// Makes a place for a slot. If this is called for each new slot in turn, no later call has to
    /// make many places at once.
    pub(crate) fn make_place(&mut self, slot: u32) {
        while self.links.len() <= slot as usize {
            #[cfg(test)]
            crate::hub::work_counts::note_work(1);
            self.links.push(Link { older: END, newer: END, is_listed: false });
        }
    }

    /// Makes a slot the most recently used one. Adds it to the list if necessary.
    pub(crate) fn touch(&mut self, slot: u32) {
        if self.newest == slot {
            return;
        }
        self.remove(slot);
        self.make_place(slot);
        self.links[slot as usize] = Link { older: self.newest, newer: END, is_listed: true };
        match self.links.get_mut(self.newest as usize) {
            Some(newest) => newest.newer = slot,
            None => self.oldest = slot,
        }
        self.newest = slot;
        self.len += 1;
    }

    /// Removes a slot from the list, if it is there.
    pub(crate) fn remove(&mut self, slot: u32) {
        let Some(link) = self.links.get_mut(slot as usize).filter(|link| link.is_listed) else {
            return;
        };
        link.is_listed = false;
        let Link { older, newer, .. } = *link;
        match self.links.get_mut(older as usize) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
        match self.links.get_mut(newer as usize) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        self.len -= 1;
    }

    /// The least recently used slot.
    pub(crate) fn oldest(&self) -> Option<u32> {
        (self.oldest != END).then_some(self.oldest)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn in_order(list: &LruList) -> Vec<u32> {
        let mut slot = list.oldest;
        std::iter::from_fn(|| {
            let link = (slot != END).then(|| list.links[slot as usize])?;
            Some(std::mem::replace(&mut slot, link.newer))
        })
        .collect()
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_plain_list(steps in vec((0..12_u32, 0..3_u8), 0..200)) {
            let mut list = LruList::default();
            let mut naive: Vec<u32> = Vec::new();
            for (slot, step) in steps {
                match step {
                    0 => {
                        list.remove(slot);
                        naive.retain(|other| *other != slot);
                    }
                    _ => {
                        list.touch(slot);
                        naive.retain(|other| *other != slot);
                        naive.push(slot);
                    }
                }
                prop_assert_eq!(in_order(&list), &naive[..]);
                prop_assert_eq!(list.oldest(), naive.first().copied());
                prop_assert_eq!(list.len(), naive.len());
            }
        }
    }
}

//! Which gap comes before the messages that were read.

use crate::hub::subscription::Subscription;
use crate::hub::subscription::delivery::Gap;
use crate::hub::subscription::opening::Opening;
use crate::hub::topic::batch::Batch;
use crate::hub::topic::scan::{Scan, Start};

impl Subscription {
    /// Returns the gap that must be reported before the messages of the batch, and records it as
    /// reported.
    pub(super) fn gap(&mut self, scan: &Scan, horizon: u64, batch: &Batch) -> Option<Gap> {
        let mut reported = scan.after.max(self.reported_through()).max(scan.newcomer.unwrap_or(0));
        // While this scan runs, other topics may get messages beyond the horizon that it loaded,
        // and a log may drop some of them. The scan did not look for messages there, so the gap
        // ends at the horizon.
        let mut lost = scan.lost.min(horizon);
        let mut is_known = true;
        let mut start = None;
        let mut lost_of_keyed = scan.lost_of_keyed.min(horizon);
        match self.opening.as_deref() {
            Some(Opening::Returning { after, lost: before }) => {
                lost = lost.max(*before);
                reported = *after;
                if self.may_have_keys() {
                    lost_of_keyed = lost_of_keyed.max(*before);
                }
            }
            Some(Opening::Unknown { lost: before, start: begin }) => {
                lost = lost.max(*before);
                is_known = false;
                start = *begin;
            }
            Some(Opening::Newcomer(begin)) => start = Some(*begin),
            Some(Opening::Snapshot { .. }) | None => {}
        }
        // What keyed topics have lost after the cursor was never replaced by a snapshot, even if an
        // earlier gap covers it.
        let base = if start.is_some() { reported } else { reported.min(scan.after) };
        if is_known && lost_of_keyed > base {
            // A subscription that is overrun again before it has caught up takes everything from
            // the tables. Otherwise it would never get to the newest values.
            let is_overrun = self.extras.as_ref().is_some_and(|extras| extras.is_overrun);
            let through = if is_overrun { horizon } else { lost.max(lost_of_keyed) };
            let unkeyed_after = start.map_or(0, |start| start.unkeyed_after).max(scan.after);
            return Some(self.gap_with_snapshot(
                base,
                scan.after,
                Start { through, unkeyed_after },
            ));
        }
        if is_known && lost <= reported {
            return None;
        }
        self.opening = start.map(|start| Box::new(Opening::Newcomer(start)));
        let after = is_known.then_some(reported);
        self.hub.counters.count_gap(after.map_or(0, |after| lost - after));
        let is_settled =
            lost <= scan.through && batch.first_number().is_none_or(|first| first > lost);
        if is_settled {
            self.subscriber.set_cursor(scan.after.max(lost));
        } else {
            self.extras.get_or_insert_default().reported_through = lost;
        }
        Some(Gap {
            after: self.hub.position(after.unwrap_or(0)),
            is_known,
            through: self.hub.position(lost),
            is_settled,
            has_snapshot: !is_known && self.may_have_keys(),
            event: self.hub.settings.gap_event,
        })
    }

    /// The gap after which keyed topics begin at `then`, as for a new client. Other topics go on.
    pub(super) fn gap_with_snapshot(&mut self, after: u64, cursor: u64, then: Start) -> Gap {
        let extras = self.extras.get_or_insert_default();
        extras.is_overrun = true;
        let (floor, through) = (extras.floor, then.through);
        self.drop_backlog();
        let has_repeated = self.has_values(floor);
        let mut next = Batch::of(1);
        self.scan(&mut Scan::of_newcomer(cursor, then), &mut next);
        self.drop_backlog();
        let is_settled = !has_repeated && next.first_number().is_none();
        if is_settled {
            self.subscriber.set_cursor(cursor.max(through));
            self.opening = None;
        } else {
            self.extras.get_or_insert_default().reported_through = through;
            self.opening = Some(Box::new(match has_repeated {
                true => Opening::Snapshot { done: floor, then },
                false => Opening::Newcomer(then),
            }));
        }
        self.hub.counters.count_gap(through - after);
        Gap {
            after: self.hub.position(after),
            is_known: true,
            through: self.hub.position(through),
            is_settled,
            has_snapshot: true,
            event: self.hub.settings.gap_event,
        }
    }
}

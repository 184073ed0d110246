//! The fields of an event other than its data. Each is one value, and the last one counts. Pure.

use std::{mem, time::Duration};

use memchr::memchr;

use super::{
    DecodeError,
    line::{FieldName, milliseconds, set_lossy},
};

/// The event name of the current block, and the values that outlast a block: the last event ID and
/// the reconnection time.
#[derive(Clone)]
pub(super) struct Head {
    pub(super) event: String,
    pub(super) id: String,
    pub(super) retry: Option<Duration>,
    /// The last event ID *buffer* of the standard. It becomes the last event ID at the next blank
    /// line.
    next_id: String,
    id_is_due: bool,
}

impl Head {
    pub(super) const fn new() -> Self {
        Self {
            event: String::new(),
            id: String::new(),
            retry: None,
            next_id: String::new(),
            id_is_due: false,
        }
    }

    /// Sets a field that is not data.
    pub(super) fn set(
        &mut self,
        field: FieldName,
        value: &[u8],
        max_id: usize,
    ) -> Result<(), DecodeError> {
        match field {
            FieldName::Event => set_lossy(&mut self.event, value),
            FieldName::Id if memchr(0, value).is_none() => {
                if value.len() > max_id {
                    return Err(DecodeError::IdTooLong { max: max_id });
                }
                set_lossy(&mut self.next_id, value);
                self.id_is_due = true;
            }
            FieldName::Retry => {
                if let Some(time) = milliseconds(value) {
                    self.retry = Some(Duration::from_millis(time));
                }
            }
            FieldName::Data | FieldName::Id => {}
        }
        Ok(())
    }

    /// Handles a blank line: from here on, the block's ID is the last event ID.
    #[inline]
    pub(super) fn end_block(&mut self) {
        if mem::take(&mut self.id_is_due) {
            // Swapped, not copied: what `next_id` holds afterwards is only ever overwritten.
            mem::swap(&mut self.id, &mut self.next_id);
        }
    }

    /// Forgets the current block, because the connection is gone. An ID whose blank line never came
    /// does not count.
    pub(super) fn abandon_block(&mut self) {
        self.event.clear();
        self.id_is_due = false;
    }
}

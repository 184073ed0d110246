//! The buffer to which a value is written.

use serde::{Serialize, ser::Error as _};
use serde_json::Error;

/// The buffer to which a value is written.
pub(crate) struct Output {
    pub(crate) bytes: Vec<u8>,
    /// Whether a part is raw JSON, which the application laid out itself. Everything else is one
    /// line, because JSON escapes the line breaks of texts.
    pub(crate) has_raw_text: bool,
    /// Whether a part has failed. Whoever serialised the whole may have ignored that.
    pub(super) has_failed: bool,
}

impl Output {
    /// Writes to the end of `bytes`.
    #[inline]
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, has_raw_text: false, has_failed: false }
    }

    /// Notes that a part failed.
    #[cold]
    pub(super) fn fail<T>(&mut self, why: &'static str) -> Result<T, Error> {
        self.has_failed = true;
        Err(Error::custom(why))
    }

    /// Has `serde_json` write a value.
    #[inline]
    pub(super) fn write_as_serde_json<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
    ) -> Result<(), Error> {
        serde_json::to_writer(&mut self.bytes, value)
    }
}

//! `MultipartLimits`: how much a form may have.

/// The default for the bytes of all parts that are held in memory together: 1 MiB.
pub const DEFAULT_MAX_PART_MEMORY: usize = 1024 * 1024;
/// The default for the number of parts: 1,000.
pub const DEFAULT_MAX_PARTS: usize = 1000;
/// The default for the headers of one part: 8 KiB.
pub const DEFAULT_MAX_PART_HEADERS: usize = 8 * 1024;

/// How much a form may have. The whole body has the [`BodyLimit`](volga_core::BodyLimit) of its
/// route.
#[derive(Clone, Debug)]
pub(crate) struct MultipartLimits {
    pub(crate) part_bytes: Option<u64>,
    /// The limits of fields by their names.
    pub(crate) fields: Vec<(String, u64)>,
    pub(crate) memory: usize,
    pub(crate) parts: usize,
    pub(crate) headers: usize,
}

impl Default for MultipartLimits {
    fn default() -> Self {
        Self {
            part_bytes: None,
            fields: Vec::new(),
            memory: DEFAULT_MAX_PART_MEMORY,
            parts: DEFAULT_MAX_PARTS,
            headers: DEFAULT_MAX_PART_HEADERS,
        }
    }
}

impl MultipartLimits {
    /// The limit for a part with this name: that of the field, or else that of every part.
    pub(crate) fn of_part(&self, name: &str) -> Option<u64> {
        let own = self.fields.iter().rev().find(|(field, _)| field == name);
        own.map(|(_, limit)| *limit).or(self.part_bytes)
    }
}

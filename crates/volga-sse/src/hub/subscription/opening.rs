//! How a subscription begins.

use crate::hub::topic::scan::Start;

/// What a new subscription does before its cursor advances normally.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Opening {
    /// The client is new.
    Newcomer(Start),
    /// The client has everything up to `after`, and may have missed messages up to `lost`: those of
    /// earlier topics of these names, and those that it may not see.
    Returning { after: u64, lost: u64 },
    /// It is not known what the client has received. So it is told of a gap up to `lost`, and then
    /// gets what a new client gets.
    Unknown { lost: u64, start: Option<Start> },
    /// The client was told of a gap after which its keyed topics begin as for a new client. First
    /// come the values that it has had before, of which those with numbers up to `done` have been
    /// read. Then it begins at `then`.
    Snapshot { done: u64, then: Start },
}

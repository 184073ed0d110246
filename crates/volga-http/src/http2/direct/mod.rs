//! The direct data path: DATA frames of event streams, written beside `h2` on the same connection.
//!
//! | module | idea |
//! |---|---|
//! | `received_frames` | follows the client's frames on their way to `h2` (pure) |
//! | `sent_frames` | follows the frames that `h2` writes (pure) |
//! | `windows` | decides how much may be sent directly, and on which stream (pure) |
//! | `write_buffer` | the write buffer that `h2` and the direct path share |

pub(super) mod received_frames;
pub(super) mod sent_frames;
pub(super) mod windows;
pub(super) mod write_buffer;

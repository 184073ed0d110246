//! The direct data path: DATA frames of event streams, written beside `h2` on the same connection.
//!
//! | module | idea |
//! |---|---|
//! | `received_frames` | what the client's frames say that the server must know, and what `h2` is told of it |
//! | `sent_frames` | what `h2` has written |
//! | `windows` | how much may be sent directly, and to which stream |
//! | `write_buffer` | the frames of both, in the order in which they leave |

pub(super) mod received_frames;
pub(super) mod sent_frames;
pub(super) mod windows;
pub(super) mod write_buffer;

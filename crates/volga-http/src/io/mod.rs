//! Transports: they carry the bytes of a connection.
//!
//! | module | idea |
//! |---|---|
//! | `byte_stream` | byte streams that are not sockets of this crate |
//! | `transport` | the trait of transports |
//! | `socket` | an accepted socket of any kind |
//! | `send_queue` | the limit of the bytes that the kernel holds unsent |
//! | `stack_read` | reading through a buffer on the stack |
//! | `rewind` | a transport that returns bytes again which were read from it |
//! | `wake` | wakes a task after the runtime has polled the sockets |
//! | `write_timeout` | the time limit for a client that does not read |
//! | `linger` | closes a connection whose client may still be sending |

pub(crate) mod byte_stream;
pub(crate) mod linger;
pub(crate) mod rewind;
pub(crate) mod send_queue;
pub(crate) mod socket;
pub(crate) mod stack_read;
pub(crate) mod transport;
pub(crate) mod wake;
pub(crate) mod write_timeout;

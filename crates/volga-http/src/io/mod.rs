//! What carries the bytes of a connection.
//!
//! | module | idea |
//! |---|---|
//! | `byte_stream` | byte streams that are not sockets of this crate |
//! | `transport` | what a connection needs beyond reading and writing |
//! | `socket` | an accepted socket of any kind |
//! | `stack_read` | reading through a buffer on the stack |
//! | `rewind` | bytes that were read and are to be read again |
//! | `stall` | the bound on a client that does not read |
//! | `linger` | the close of a connection whose client may still be sending |

pub(crate) mod byte_stream;
pub(crate) mod linger;
pub(crate) mod rewind;
pub(crate) mod socket;
pub(crate) mod stack_read;
pub(crate) mod transport;
pub(crate) mod write_timeout;

//! The halves of a stream, which end with a code of HTTP/3 when they are dropped.

use std::ops::{Deref, DerefMut};

use quinn::{ClosedStream, RecvStream, SendStream, VarInt};

/// A sending half. If it is dropped before its end, it is reset.
///
/// quinn would end it properly, and the client would take the part that it has for the whole.
#[derive(Debug)]
pub(crate) struct GuardedSend {
    stream: SendStream,
    is_over: bool,
    drop_code: VarInt,
}

impl GuardedSend {
    pub(crate) fn new(stream: SendStream, drop_code: impl Into<VarInt>) -> Self {
        Self { stream, is_over: false, drop_code: drop_code.into() }
    }

    /// Sets the code with which it is reset when it is dropped.
    pub(crate) fn set_drop_code(&mut self, code: impl Into<VarInt>) {
        self.drop_code = code.into();
    }

    /// Ends the stream properly.
    pub(crate) fn finish(&mut self) -> Result<(), ClosedStream> {
        self.is_over = true;
        self.stream.finish()
    }

    /// Ends the stream early.
    pub(crate) fn reset(&mut self, code: impl Into<VarInt>) {
        self.is_over = true;
        // An error means that it is over already.
        let _ = self.stream.reset(code.into());
    }
}

impl Deref for GuardedSend {
    type Target = SendStream;

    fn deref(&self) -> &SendStream {
        &self.stream
    }
}

impl DerefMut for GuardedSend {
    fn deref_mut(&mut self) -> &mut SendStream {
        &mut self.stream
    }
}

impl Drop for GuardedSend {
    fn drop(&mut self) {
        if !self.is_over {
            self.reset(self.drop_code);
        }
    }
}

/// A receiving half. Dropping it tells the client to send nothing more of it.
///
/// quinn would stop it with the code 0, which HTTP/3 does not define.
#[derive(Debug)]
pub(crate) struct GuardedRecv {
    stream: RecvStream,
    drop_code: VarInt,
}

impl GuardedRecv {
    pub(crate) fn new(stream: RecvStream, drop_code: impl Into<VarInt>) -> Self {
        Self { stream, drop_code: drop_code.into() }
    }

    /// Sets the code with which it is stopped when it is dropped.
    pub(crate) fn set_drop_code(&mut self, code: impl Into<VarInt>) {
        self.drop_code = code.into();
    }

    /// Stops the client from sending more. `code` says why.
    pub(crate) fn stop(&mut self, code: impl Into<VarInt>) {
        // An error means that everything was received.
        let _ = self.stream.stop(code.into());
    }
}

impl Deref for GuardedRecv {
    type Target = RecvStream;

    fn deref(&self) -> &RecvStream {
        &self.stream
    }
}

impl DerefMut for GuardedRecv {
    fn deref_mut(&mut self) -> &mut RecvStream {
        &mut self.stream
    }
}

impl Drop for GuardedRecv {
    fn drop(&mut self) {
        self.stop(self.drop_code);
    }
}

//! The window for uploads: how much the client may send on a connection.
//!
//! All requests of a connection share one window. A handler that does not read can fill it, and
//! then the client cannot send the bodies of the other requests. A server that waits for one of
//! those bodies must not treat the client as slow. `h2` does not report how wide the window is, so
//! it is tracked here, by the DATA frames of the client and the updates that `h2` writes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::exchange::h2_body::ClientWindow;

/// The window at the start (RFC 9113, section 6.9.2).
const FIRST: i64 = 65_535;

/// The window, shared by the connection and its request bodies.
///
/// It has a lock of its own: a response may be made of its request's body, and is then polled while
/// the connection holds the lock of its write buffer.
#[derive(Clone, Debug)]
pub(super) struct SharedUploadWindow(Arc<Mutex<UploadWindow>>);

impl SharedUploadWindow {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(UploadWindow::new())))
    }

    pub(super) fn note_received(&self, bytes: usize) {
        self.lock().note_received(bytes);
    }

    pub(super) fn note_grant(&self, bytes: u32) {
        self.lock().note_grant(bytes);
    }

    pub(super) fn client_window(&self) -> Arc<dyn ClientWindow> {
        Arc::clone(&self.0) as Arc<dyn ClientWindow>
    }

    fn lock(&self) -> MutexGuard<'_, UploadWindow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientWindow for Mutex<UploadWindow> {
    fn closed_until(&self, now: Instant) -> Option<Instant> {
        self.lock().unwrap_or_else(PoisonError::into_inner).closed_until(now)
    }
}

/// The window of the connection for the data that the client sends.
#[derive(Debug)]
pub(super) struct UploadWindow {
    size: i64,
    /// Whether the window was closed and has opened, and no body has asked since.
    has_opened: bool,
    /// The first question after it last opened.
    opened: Option<Instant>,
}

impl UploadWindow {
    pub(super) fn new() -> Self {
        Self { size: FIRST, has_opened: false, opened: None }
    }

    /// Notes that the client sends a frame of this many bytes, including padding.
    pub(super) fn note_received(&mut self, bytes: usize) {
        self.size -= bytes as i64;
    }

    /// Notes that the server grants this many more bytes.
    pub(super) fn note_grant(&mut self, bytes: u32) {
        let was_shut = self.size <= 0;
        self.size += i64::from(bytes);
        self.has_opened |= was_shut && self.size > 0;
    }

    /// The moment until which the client could not send: `now` if the window is closed, `None` if
    /// it was never closed.
    ///
    /// The exact moment at which the window opened is unknown, because no clock is read for every
    /// frame. The first question after it counts.
    pub(super) fn closed_until(&mut self, now: Instant) -> Option<Instant> {
        if self.size <= 0 {
            return Some(now);
        }
        if std::mem::take(&mut self.has_opened) {
            self.opened = Some(now);
        }
        self.opened
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_window_is_closed_from_the_last_granted_byte_until_the_next_grant() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut window = UploadWindow::new();
        window.note_grant(1);
        window.note_received(FIRST as usize);
        assert_eq!(window.closed_until(now), None, "one byte is left");
        window.note_received(1);
        assert_eq!(window.closed_until(now), Some(now));
        assert_eq!(window.closed_until(later), Some(later), "still");
        window.note_grant(1);
        assert_eq!(window.closed_until(now), Some(now), "it has opened");
        window.note_grant(1);
        assert_eq!(window.closed_until(later), Some(now), "it was open");
    }
}

//! `SharedState`: the state between the application, which holds the socket, and the connection.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::close::{CloseReason, SocketEnd};
use crate::message::Message;
use crate::out_queue::{FrameKind, OutQueue};
use crate::settings::WebSocketSettings;

/// How many bytes an unread message counts in addition to its own, for the memory around it.
const MESSAGE_OVERHEAD: usize = 64;

#[derive(Debug)]
pub(crate) struct SharedState {
    state: Mutex<State>,
    protocol: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    max_unsent_bytes: usize,
    max_unread_bytes: usize,
    received: VecDeque<Message>,
    unread_bytes: usize,
    /// Frames that the connection has not taken yet.
    pub(crate) out: OutQueue,
    /// The bytes of the frames that the connection has taken and not written yet.
    writing_bytes: usize,
    /// The reason with which the application, or the server, wants to close.
    close: Option<CloseReason>,
    /// Whether the connection has seen the wish to close.
    is_closing: bool,
    end: Option<SocketEnd>,
    /// Whether the application knows of the end.
    has_seen_end: bool,
    /// How many parts of the socket the application holds.
    handles: u8,
    has_reader: bool,
    /// Whether a message was sent or received since this was last asked.
    is_active: bool,
    /// Whether the application has changed something that the connection must act upon.
    has_request: bool,
    /// Whether the connection has something new for the task in which the application also runs.
    has_news: bool,
    reader: Option<Waiter>,
    sender: Option<Waiter>,
    flusher: Option<Waiter>,
    watchers: Vec<Waker>,
    connection: Option<Waker>,
}

/// A part of the application that waits.
#[derive(Debug)]
enum Waiter {
    /// It runs in the task of the connection, which polls it in the same turn. So no task is woken.
    Here,
    Elsewhere(Waker),
}

impl SharedState {
    pub(crate) fn new(settings: &WebSocketSettings, protocol: Option<String>) -> Arc<Self> {
        let state = State {
            max_unsent_bytes: settings.max_unsent_bytes,
            max_unread_bytes: settings.max_unread_bytes,
            handles: 1,
            has_reader: true,
            ..State::default()
        };
        Arc::new(Self { state: Mutex::new(state), protocol })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    pub(crate) fn end(&self) -> Option<SocketEnd> {
        self.lock().end.clone()
    }

    /// Whether the client has left without a close, and the application does not know it because it
    /// waits for something else.
    pub(crate) fn has_disappeared(&self) -> bool {
        let state = self.lock();
        !state.has_seen_end && state.end.as_ref().is_some_and(SocketEnd::is_abrupt)
    }

    /// Notes that the application's function has returned. Halves of the socket may live on in
    /// other tasks, unless the function gives a reason to close.
    pub(crate) fn end_handler(&self, reason: CloseReason) {
        if reason != CloseReason::from(()) {
            self.close(reason);
        }
    }

    // Methods for the application.

    pub(crate) fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut state = self.lock();
        if let Some(message) = state.received.pop_front() {
            let was_full = state.unread_bytes >= state.max_unread_bytes;
            state.unread_bytes -= message.len() + MESSAGE_OVERHEAD;
            if was_full && state.unread_bytes < state.max_unread_bytes {
                state.tell_connection(cx);
            }
            return Poll::Ready(Some(message));
        }
        if state.is_closing || state.end.is_some() {
            state.has_seen_end = true;
            return Poll::Ready(None);
        }
        state.reader = state.waiter(cx);
        Poll::Pending
    }

    /// Ready when a message may be queued. `Err` when no message can be sent any more.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        let mut state = self.lock();
        if state.is_over() {
            return Poll::Ready(Err(()));
        }
        if state.unsent_bytes() < state.max_unsent_bytes {
            return Poll::Ready(Ok(()));
        }
        state.sender = state.waiter(cx);
        Poll::Pending
    }

    /// Queues a message. There should be [room](Self::poll_room) for it.
    pub(crate) fn queue(&self, message: Message) -> Result<(), ()> {
        let mut state = self.lock();
        if state.is_over() {
            return Err(());
        }
        state.queue(message);
        state.wake_connection();
        Ok(())
    }

    /// Queues the message and takes it, once there is room.
    pub(crate) fn poll_queue(
        &self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), ()>> {
        let mut state = self.lock();
        if state.is_over() {
            return Poll::Ready(Err(()));
        }
        if state.unsent_bytes() >= state.max_unsent_bytes {
            state.sender = state.waiter(cx);
            return Poll::Pending;
        }
        if let Some(message) = message.take() {
            state.queue(message);
            state.tell_connection(cx);
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when everything that was queued has been written.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        let mut state = self.lock();
        if state.unsent_bytes() == 0 {
            return Poll::Ready(Ok(()));
        }
        if state.end.is_some() {
            state.has_seen_end = true;
            return Poll::Ready(Err(()));
        }
        state.flusher = state.waiter(cx);
        Poll::Pending
    }

    pub(crate) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<SocketEnd> {
        let mut state = self.lock();
        if let Some(end) = state.end.clone() {
            state.has_seen_end = true;
            return Poll::Ready(end);
        }
        if !state.watchers.iter().any(|watcher| watcher.will_wake(cx.waker())) {
            state.watchers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Closes the socket after everything that was queued. Only the first reason counts.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.lock().close(reason);
    }

    pub(crate) fn add_handle(&self) {
        self.lock().handles += 1;
    }

    /// Removes a part of the socket. See [`end_turn`](State::end_turn).
    pub(crate) fn remove_handle(&self) {
        let mut state = self.lock();
        state.handles -= 1;
        if state.handles == 0 {
            state.wake_connection();
        }
    }

    /// Discards all received messages, also later ones: the application cannot read them any more.
    pub(crate) fn remove_reader(&self) {
        let mut state = self.lock();
        state.has_reader = false;
        state.received.clear();
        state.unread_bytes = 0;
        state.wake_connection();
    }
}

impl State {
    fn queue(&mut self, message: Message) {
        let kind = match message {
            Message::Text(_) => FrameKind::Text,
            Message::Binary(_) => FrameKind::Binary,
        };
        self.out.push(kind, message.into_bytes());
        self.is_active = true;
    }

    fn close(&mut self, reason: CloseReason) {
        if self.close.is_none() {
            self.close = Some(reason);
            self.wake_connection();
            self.wake_senders();
        }
    }

    /// The waiter for a part of the application that is polled with this context.
    fn waiter(&self, cx: &Context<'_>) -> Option<Waiter> {
        let is_here = self.connection.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        Some(if is_here { Waiter::Here } else { Waiter::Elsewhere(cx.waker().clone()) })
    }

    /// The number of bytes that wait to be written.
    fn unsent_bytes(&self) -> usize {
        self.out.len() + self.writing_bytes
    }

    fn is_over(&mut self) -> bool {
        let is_over = self.close.is_some() || self.is_closing || self.end.is_some();
        self.has_seen_end |= is_over && self.end.is_some();
        is_over
    }

    /// Tells the connection that it has work to do. If this runs in the task of the connection, the
    /// connection acts after the application's turn anyway, so no task is woken.
    fn tell_connection(&mut self, cx: &Context<'_>) {
        self.has_request = true;
        if self.connection.as_ref().is_some_and(|waker| !waker.will_wake(cx.waker())) {
            self.wake_connection();
        }
    }

    fn wake_connection(&mut self) {
        self.has_request = true;
        if let Some(waker) = &self.connection {
            waker.wake_by_ref();
        }
    }

    // Methods for the connection.

    /// Begins a turn of the connection. Returns whether the turn is in the task of the turn before.
    pub(crate) fn begin_turn(&mut self, cx: &Context<'_>) -> bool {
        let is_same = self.connection.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if !is_same {
            self.connection = Some(cx.waker().clone());
        }
        is_same
    }

    /// Notes that the application has had its turn. Returns whether the connection, or another part
    /// of the application, has work to do in this turn.
    ///
    /// If the application has dropped the whole socket, it is closed here, and not when the last
    /// part is dropped, because a function drops its socket before it returns the reason to close.
    pub(crate) fn end_turn(&mut self) -> bool {
        if self.handles == 0 {
            self.close(CloseReason::from(()));
        }
        self.has_request || self.has_news
    }

    /// Takes the reason to close with, once. The requests of the application are then known.
    pub(crate) fn begin_step(&mut self) -> Option<CloseReason> {
        self.has_request = false;
        self.begin_close()
    }

    /// Whether the connection may read more from the client.
    pub(crate) fn may_read(&self) -> bool {
        self.unread_bytes < self.max_unread_bytes && self.unsent_bytes() < self.max_unsent_bytes
    }

    /// Moves the frames that wait to the connection, whose own queue is empty.
    pub(crate) fn take_frames(&mut self, writing: &mut OutQueue) {
        if self.out.len() > 0 {
            self.writing_bytes = self.out.len();
            std::mem::swap(&mut self.out, writing);
        }
    }

    /// Records how many bytes of taken frames are left to write.
    pub(crate) fn record_written(&mut self, left: usize) {
        self.writing_bytes = left;
        self.wake_senders();
    }

    /// Takes whether the connection has something new for the application in its own task.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// Takes whether a message was sent or received since this was last asked.
    pub(crate) fn take_activity(&mut self) -> bool {
        std::mem::take(&mut self.is_active)
    }

    /// Wakes a waiting part of the application.
    fn wake(&mut self, waiter: Option<Waiter>) {
        match waiter {
            Some(Waiter::Here) => self.has_news = true,
            Some(Waiter::Elsewhere(waker)) => waker.wake(),
            None => {}
        }
    }

    fn wake_senders(&mut self) {
        let (sender, flusher) = (self.sender.take(), self.flusher.take());
        self.wake(sender);
        self.wake(flusher);
    }

    pub(crate) fn receive(&mut self, message: Message) {
        self.is_active = true;
        if self.has_reader && self.close.is_none() {
            self.unread_bytes += message.len() + MESSAGE_OVERHEAD;
            self.received.push_back(message);
            self.wake_reader();
        }
    }

    /// Takes the wish to close. Nothing is sent or received for the application after it.
    fn begin_close(&mut self) -> Option<CloseReason> {
        if self.is_closing || self.end.is_some() {
            return None;
        }
        let reason = self.close.clone()?;
        self.is_closing = true;
        self.wake_reader();
        self.wake_senders();
        Some(reason)
    }

    fn wake_reader(&mut self) {
        let reader = self.reader.take();
        self.wake(reader);
    }

    pub(crate) fn set_end(&mut self, end: SocketEnd) {
        if self.end.is_none() {
            self.end = Some(end);
            self.wake_reader();
            self.wake_senders();
            for watcher in std::mem::take(&mut self.watchers) {
                watcher.wake();
            }
        }
    }

    /// Wakes the tasks that wait for the end. The task of the connection is running, so it is not
    /// woken.
    pub(crate) fn wake_watchers(&mut self) {
        let own = self.connection.as_ref();
        let others = |watcher: &mut Waker| own.is_none_or(|own| !watcher.will_wake(own));
        self.watchers.extract_if(.., others).for_each(Waker::wake);
    }
}

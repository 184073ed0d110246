//! A source inside the stream of an application, with which its event stream ends.

/// A source that the code of a stream reads, such as a subscription in a block of `sse_stream!`.
/// The body cannot see it in the stream, so the application names it.
pub(crate) trait InnerSource: Send {
    /// Whether the source is known to have ended. A body asks this before each turn, so it is
    /// cheap.
    fn is_over(&self) -> bool;

    /// Whether the source has ended, also if nothing has read it since. See
    /// [`FillFrame::has_ended`](crate::stream::source::sealed::FillFrame::has_ended).
    fn has_ended(&self) -> bool;

    /// Called at each heartbeat.
    fn on_silence(&self);

    /// Whether a stream that has finished says farewell because of the source.
    fn ends_with_farewell(&self) -> bool;
}

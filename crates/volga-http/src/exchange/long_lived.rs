//! The mark of a response that goes on for long.

/// Among the extensions of a response, it says that the body goes on for long and mostly waits, as
/// an event stream does.
///
/// The server then holds no more for it than it needs: on HTTP/1 no read buffer and no parser, on
/// HTTP/2 no task of its own. The client receives the same bytes with the mark and without.
///
/// Some responses gain nothing by it on HTTP/1, and are sent like any other: those without a body,
/// and one that is there before its request was read to its end.
///
/// ```
/// use http::Response;
/// use volga_http::LongLived;
///
/// let mut response = Response::new(());
/// response.extensions_mut().insert(LongLived);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct LongLived;

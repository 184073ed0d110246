//! The mark of a response that may end while its client does not read.

use std::panic::{AssertUnwindSafe, catch_unwind};

use http::Extensions;
use http_body::Body;

/// Marks a response whose body may end while the client reads nothing. Insert it into the
/// response's extensions.
///
/// The server does not poll a body while the client takes nothing. But every half a second it asks
/// a body with this mark whether it [has ended](http_body::Body::is_end_stream). If so, the
/// response is cut short, and the body is dropped: HTTP/1 closes the connection, HTTP/2 and HTTP/3
/// end or reset the stream. The client loses what the server had not sent yet.
///
/// The last frame of a body is not cut. A body that has given its last frame must say so by an
/// exact [size hint](http_body::Body::size_hint) of zero. `is_end_stream` alone does not say it,
/// because the body may have ended after the frame before its next one.
///
/// Without the mark, the server keeps the body and what it has to send until the client reads, or
/// until the [time limit](crate::Server::write_stall_timeout) for such clients.
///
/// ```
/// use http::Response;
/// use volga_http::CutAtEnd;
///
/// let mut response = Response::new(());
/// response.extensions_mut().insert(CutAtEnd);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CutAtEnd;

impl CutAtEnd {
    #[inline]
    pub(crate) fn is_in(extensions: &Extensions) -> bool {
        extensions.get::<Self>().is_some()
    }

    /// Whether a body has given its last frame. Another thread may end a body right after a frame
    /// that is not its last one. Such a body has no exact size hint.
    pub fn has_given_all<B: Body>(body: &B) -> bool {
        let asked = || body.is_end_stream() && body.size_hint().exact() == Some(0);
        catch_unwind(AssertUnwindSafe(asked)).unwrap_or(false)
    }
}

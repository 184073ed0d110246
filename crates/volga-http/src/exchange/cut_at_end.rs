//! The mark of a response that may end while its client does not read.

use http::Extensions;

/// Marks a response whose body may end while the client reads nothing. Insert it into the
/// response's extensions.
///
/// The server does not poll a body while the client takes nothing. But every half a second it asks
/// a body with this mark whether it [has ended](http_body::Body::is_end_stream). If so, the
/// response is cut short, and the body is dropped: HTTP/1 closes the connection, HTTP/2 ends or
/// resets the stream. The client loses what the server had not sent yet.
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
    pub(crate) fn is_in(extensions: &Extensions) -> bool {
        extensions.get::<Self>().is_some()
    }
}

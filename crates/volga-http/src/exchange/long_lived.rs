//! The mark of a long-lived response.

/// Marks a response whose body lasts long and mostly waits, such as an event stream. Insert it into
/// the response's extensions.
///
/// The server then keeps only the memory that the body needs: on HTTP/1 no read buffer and no
/// parser, on HTTP/2 no task of its own. The client receives the same bytes with the mark and
/// without it.
///
/// On HTTP/1, some responses gain nothing from the mark and are sent like any other: responses
/// without a body, and a response that is there before its request was read to the end.
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

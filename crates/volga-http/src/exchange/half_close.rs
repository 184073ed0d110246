//! What a response does when its client closes the sending side of the connection.

use std::fmt;
use std::sync::Arc;

/// A function that the server calls when the client of a response closes its sending side and may
/// still read. Insert it into the response's extensions.
///
/// The server calls it only if [half-closed connections](crate::Server::http1_half_close) are
/// allowed, and at most once for each response. A response without an end of its own, such as an
/// event stream, uses it to end properly: nothing else tells the server that the client is gone. If
/// the client has closed its sending side before the response is there, the function is called
/// before the response is sent.
///
/// The server calls the function between other work, so keep it short.
///
/// ```
/// use http::Response;
/// use volga_http::HalfCloseCallback;
///
/// let mut response = Response::new(());
/// let callback = HalfCloseCallback::new(|| println!("the client sends no more"));
/// response.extensions_mut().insert(callback);
/// ```
#[derive(Clone)]
pub struct HalfCloseCallback(Arc<dyn Fn() + Send + Sync>);

impl HalfCloseCallback {
    /// Creates the extension from the function to call.
    pub fn new(function: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }

    pub(crate) fn call(&self) {
        (self.0)();
    }
}

impl fmt::Debug for HalfCloseCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HalfCloseCallback").finish_non_exhaustive()
    }
}

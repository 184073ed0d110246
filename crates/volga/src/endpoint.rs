//! The glue between endpoints and the server: its end, and how it serves a stream.

use volga_core::{BoxFuture, Endpoint, HttpBody, HttpResponse, Needs, RequestParts};
use volga_http::LongLived;
use volga_sse::{CloseGroup, CloseHandle};

/// An endpoint whose event streams the server knows for what they are, and can close when it goes away.
///
/// It stands directly at the endpoint, before any middleware sees the response: so nothing that wraps the body can hide the
/// stream from the drain.
pub(crate) struct StreamEndpoint<E> {
    pub(crate) inner: E,
    pub(crate) streams: CloseGroup,
}

impl<E: Endpoint> Endpoint for StreamEndpoint<E> {
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let response = self.inner.call(parts, body);
        let streams = self.streams.clone();
        Box::pin(async move {
            let mut response = response.await;
            if let Some(stream) = response.extensions().get::<CloseHandle>() {
                streams.add(stream);
                response.extensions_mut().insert(LongLived);
            }
            response
        })
    }

    fn needs(&self, needs: &mut Needs) {
        self.inner.needs(needs);
    }

    fn path_args(&self) -> usize {
        self.inner.path_args()
    }
}

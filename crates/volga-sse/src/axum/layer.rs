//! A `CloseGroup` as a layer: the event streams of a router join the group.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::stream::close::{CloseGroup, CloseHandle};

/// Adds each event stream in a response to the group.
///
/// A router takes the group itself: `router.layer(group.clone())`. If the group is closed already,
/// a new stream gets its farewell at once.
impl<S> Layer<S> for CloseGroup {
    type Service = CloseGroupService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CloseGroupService { inner, group: self.clone() }
    }
}

/// The service that a [`CloseGroup`] makes as a layer.
#[derive(Clone, Debug)]
pub struct CloseGroupService<S> {
    inner: S,
    group: CloseGroup,
}

impl<S, Q, B> Service<Q> for CloseGroupService<S>
where
    S: Service<Q, Response = Response<B>>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = CloseGroupFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Q) -> Self::Future {
        CloseGroupFuture { inner: self.inner.call(request), group: self.group.clone() }
    }
}

pin_project! {
    /// The response of a [`CloseGroupService`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct CloseGroupFuture<F> {
        #[pin]
        inner: F,
        group: CloseGroup,
    }
}

impl<F, B, E> Future for CloseGroupFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx));
        if let Ok(response) = &response
            && let Some(stream) = response.extensions().get::<CloseHandle>()
        {
            this.group.add(stream);
        }
        Poll::Ready(response)
    }
}

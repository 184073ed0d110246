//! What an axum program needs beside the rest of this crate (feature `axum`).
//!
//! - An [`Sse`](crate::Sse) is a response, and so are the errors of a hub and of a stream limit: a
//!   handler returns them with `?`.
//! - [`Resume`] is an extractor: the last event ID of a returning client.
//! - A [`CloseGroup`](crate::CloseGroup) is a layer: every event stream in a response of the router
//!   joins the group, so `CloseGroup::close` ends all of them.
//!
//! ```
//! use axum_core::response::IntoResponse;
//! use volga_sse::{
//!     Sse,
//!     axum::Resume,
//!     hub::{Hub, SubscribeError, Subscription},
//! };
//!
//! // axum passes the arguments. `Resume` stands beside axum's own extractors.
//! async fn news(hub: Hub, Resume(last): Resume) -> Result<Sse<Subscription>, SubscribeError> {
//!     Ok(Sse::new(hub.subscribe("news").resume(last).open()?))
//! }
//! # let future = news(Hub::new(), Resume(None));
//! # let response = std::pin::pin!(future);
//! # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
//! # let std::task::Poll::Ready(response) = response.poll(&mut context) else { panic!() };
//! # assert_eq!(response.into_response().status(), 200);
//! ```
//!
//! The crates `axum-core`, `tower-layer` and `tower-service` are dependencies of axum itself, so
//! the feature adds no crate to an axum program.

mod layer;
mod response;
mod resume;

pub use layer::{CloseGroupFuture, CloseGroupService};
pub use resume::Resume;

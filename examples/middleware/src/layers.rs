//! Layers of `tower-http` on the app, on a group and on a route.

use std::time::Duration;
use tower_http::{
    cors::CorsLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    timeout::TimeoutLayer,
    trace::TraceLayer,
};
use volga::{App, Header, headers::XRequestId, http::StatusCode, ok};

pub(crate) fn map(app: &mut App) {
    app.layer(SetRequestIdLayer::x_request_id(MakeRequestUuid));
    app.layer(PropagateRequestIdLayer::x_request_id());
    // The layer writes to the subscriber of the `tracing` crate, if the program sets one.
    app.layer(TraceLayer::new_for_http());

    app.group("/open", |open| {
        open.layer(CorsLayer::permissive());
        open.map_get("/id", async |id: Header<XRequestId>| ok!("request {id}"));
    });

    app.map_get("/slow", std::future::pending::<()>).layer(TimeoutLayer::with_status_code(
        StatusCode::GATEWAY_TIMEOUT,
        Duration::from_millis(200),
    ));
}

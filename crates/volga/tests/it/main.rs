//! The facade over real sockets: one file per behaviour.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and its helpers do too")]

#[cfg(unix)]
mod addresses;
mod background_tasks;
mod before_routing;
mod behind_others;
mod body;
#[cfg(unix)]
mod child;
mod compression;
mod connections;
mod cookies;
mod cross_origin;
mod crowd;
mod cutting_proxy;
mod deploying_page;
mod describe;
mod error_format;
mod error_headers;
mod error_texts;
mod error_types;
mod extended_connect;
mod extract;
mod files;
mod form_fields;
mod form_refusals;
mod framing;
mod grpc;
mod half_close;
mod health;
mod html;
mod http3;
#[path = "../../../volga-h3/tests/over_http3/gateway.rs"]
mod http3_gateway;
mod https;
mod hub_cuts;
mod hub_errors;
mod hub_pages;
mod in_process;
mod json_liars;
mod layer_ends;
mod limits_page;
mod macros;
mod middleware;
mod missing_values;
mod mounting;
mod ndjson;
#[cfg(unix)]
mod processes;
mod query_method;
mod rate_limits;
mod replies;
mod reports;
mod responses;
mod routing;
mod same_requests;
mod seed;
mod server_errors;
mod services;
mod settings_page;
mod shutdown;
mod sizing_page;
#[cfg(target_os = "linux")]
mod slow_readers;
mod start;
mod status_errors;
mod stream_ends;
mod stream_limits;
mod streams;
mod support;
mod test_client;
mod texts_and_bodies;
#[path = "../../../volga-http/tests/it/tls_relay.rs"]
mod tls_relay;
mod tls_support;
mod tracing;
mod under_hyper;
mod upstream_bodies;
mod validation;
mod websockets;
mod webtransport;

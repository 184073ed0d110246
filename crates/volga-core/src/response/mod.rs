//! The response: what can become one, and how errors become one.

pub(crate) mod body_error_report;
pub(crate) mod box_error;
pub(crate) mod catch_panic;
pub(crate) mod causes;
pub(crate) mod cross_origin;
pub(crate) mod error;
pub(crate) mod error_format;
pub(crate) mod error_mapper;
pub(crate) mod error_report;
pub(crate) mod error_response;
pub(crate) mod into_response;
pub(crate) mod into_response_parts;
pub(crate) mod json_text;
pub(crate) mod lost_request;
pub(crate) mod missing_headers;
pub(crate) mod missing_value;
pub(crate) mod observed_body;
pub(crate) mod panic_error;
pub(crate) mod problem;
pub(crate) mod reporter;
pub(crate) mod responder;
pub(crate) mod response_check;
pub(crate) mod response_hooks;
pub(crate) mod response_watch;
pub(crate) mod spare_headers;
pub(crate) mod status_error;

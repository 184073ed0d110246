//! The request: its head, its body and its limits, and what it shares with its app.

pub(crate) mod app_context;
pub(crate) mod body;
pub(crate) mod body_budget;
pub(crate) mod body_limit;
pub(crate) mod cancel;
pub(crate) mod context;
mod decoded_path;
pub(crate) mod original_uri;
pub(crate) mod parts;
pub(crate) mod path_args;
pub(crate) mod percent;

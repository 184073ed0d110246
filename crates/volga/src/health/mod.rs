//! Liveness and readiness: how a load balancer or an orchestrator learns of the app's health.
//!
//! `check.rs` is one readiness check with its settings, `checks.rs` runs those of an app, and
//! `readiness.rs` has the routes. Tests of whole apps are in `tests/it/health.rs`.

pub(crate) mod check;
pub(crate) mod checks;
mod readiness;

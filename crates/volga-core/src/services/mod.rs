//! Services: values that handlers ask for by their type (dependency injection).

pub(crate) mod builder;
pub(crate) mod check;
pub(crate) mod dc;
mod erased_factory;
pub(crate) mod error;
pub(crate) mod factory;
pub(crate) mod needs;
mod registration;
pub(crate) mod registry;

#[cfg(test)]
mod tests;

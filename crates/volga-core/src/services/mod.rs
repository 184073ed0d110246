//! Services: values that handlers ask for by their type (dependency injection).

mod builder;
mod check;
mod dc;
mod error;
mod factory;
mod needs;
mod registry;

pub use builder::ServicesBuilder;
pub use check::{Asker, ServiceFault, ServiceFaults};
pub use dc::Dc;
pub use error::ServiceError;
pub use factory::{Dependencies, Factory, Inject};
pub use needs::Needs;
pub use registry::{Scope, Services};

#[cfg(test)]
mod tests;

//! Registrations of services, before they are checked and built.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::panic::Location;

use crate::services::needs::Needs;
use crate::services::registry::{BoxFactory, ErasedService};

/// All registrations, one for each type.
#[derive(Default)]
pub(super) struct Registrations {
    list: Vec<Registration>,
    by_type: BTreeMap<TypeId, usize>,
}

impl Registrations {
    /// Adds a registration. It replaces an earlier one of the same type.
    pub(super) fn add(&mut self, registration: Registration) {
        match self.index_of(registration.id) {
            Some(index) => self.list[index] = registration,
            None => {
                self.by_type.insert(registration.id, self.list.len());
                self.list.push(registration);
            }
        }
    }

    pub(super) fn list(&self) -> &[Registration] {
        &self.list
    }

    pub(super) fn into_list(self) -> Vec<Registration> {
        self.list
    }

    pub(super) fn index_of(&self, id: TypeId) -> Option<usize> {
        self.by_type.get(&id).copied()
    }

    /// The lifetime of a service. An alias has the lifetime of its service. Call it only after the
    /// check, because aliases could form a circle.
    pub(super) fn lifetime(&self, registration: &Registration) -> Lifetime {
        match registration.lifetime() {
            Lifetime::SameAs(id) => match self.index_of(id) {
                Some(index) => self.lifetime(&self.list[index]),
                None => Lifetime::Transient,
            },
            lifetime => lifetime,
        }
    }
}

pub(super) struct Registration {
    pub(super) id: TypeId,
    pub(super) name: String,
    pub(super) location: &'static Location<'static>,
    pub(super) needs: Needs,
    pub(super) source: Source,
}

impl Registration {
    pub(super) fn lifetime(&self) -> Lifetime {
        match &self.source {
            Source::Value(_) => Lifetime::Singleton,
            Source::Factory(lifetime, _) => *lifetime,
        }
    }
}

pub(super) enum Source {
    Value(ErasedService),
    Factory(Lifetime, BoxFactory),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lifetime {
    Singleton,
    Scoped,
    Transient,
    /// The lifetime of the service with this type.
    SameAs(TypeId),
}

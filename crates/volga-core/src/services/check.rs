//! Checks of services before the first request (pure).
//!
//! To add a check, add a variant to [`ServiceFault`], and look for the fault in the function
//! `check`. The tests at the end of this file compare the messages of the faults.

use std::{fmt, panic::Location};

use crate::services::needs::Needs;
use crate::services::needs::short_name;
use crate::services::registration::{Lifetime, Registration, Registrations};

/// A consumer of services: a route or middleware.
#[derive(Clone, Debug)]
pub struct ServiceConsumer<'a> {
    /// The name in messages, such as `GET /users`.
    pub name: &'a str,
    /// The place in the source where it was mapped.
    pub location: &'static Location<'static>,
    /// The services that it needs.
    pub needs: &'a Needs,
}

/// An error in the services, with the place in the source.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ServiceFault {
    /// A service is needed but not registered.
    #[error(
        "{location}: `{service}` is needed by {chain}: add `app.add_singleton(..)`, or a factory \
         such as `app.add_scoped_factory(..)`"
    )]
    Missing {
        /// The service that is missing.
        service: String,
        /// The chain from the first consumer to the consumer of the missing service, such as
        /// `GET /a -> Repo`.
        chain: String,
        /// The place in the source where the last consumer of the chain was registered or mapped.
        location: &'static Location<'static>,
    },
    /// Services need each other in a circle, so none of them can be created first.
    #[error(
        "{location}: services need each other in a circle: {chain}; remove one of these \
         dependencies"
    )]
    Circular {
        /// The circle: it starts and ends with the same service.
        chain: String,
        /// The place in the source where that service was registered.
        location: &'static Location<'static>,
    },
    /// A singleton would keep a scoped service, which must not outlive its request.
    #[error(
        "{location}: singleton `{singleton}` would keep scoped `{scoped}` beyond its request: \
         {chain}; add `{singleton}` with `app.add_scoped_factory(..)`, or `{scoped}` as a singleton \
         or transient service"
    )]
    Captive {
        /// The singleton.
        singleton: String,
        /// The scoped service.
        scoped: String,
        /// The chain from the singleton to the scoped service.
        chain: String,
        /// The place in the source where the singleton was registered.
        location: &'static Location<'static>,
    },
}

/// All errors in the services.
#[derive(Clone, Eq, PartialEq)]
pub struct ServiceFaults(Vec<ServiceFault>);

impl ServiceFaults {
    /// The faults. There is at least one.
    pub fn iter(&self) -> impl Iterator<Item = &ServiceFault> {
        self.0.iter()
    }
}

impl fmt::Display for ServiceFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("1 problem with services:")?,
            count => write!(f, "{count} problems with services:")?,
        }
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// Prints the message, because a `main` that returns the error prints it by `Debug`.
impl fmt::Debug for ServiceFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for ServiceFaults {}

pub(super) fn check<'a>(
    services: &Registrations,
    consumers: impl IntoIterator<Item = ServiceConsumer<'a>>,
) -> Result<(), ServiceFaults> {
    let registrations = services.list();
    let mut walk = DependencyWalk {
        services,
        marks: vec![Mark::Unseen; registrations.len()],
        path: Vec::new(),
        faults: Vec::new(),
    };
    // Consumers come first, so that chains start with a route, which the user knows best.
    for consumer in consumers {
        walk.needs_of(consumer.name, consumer.location, consumer.needs);
    }
    for index in 0..registrations.len() {
        walk.visit(index);
    }
    for registration in registrations {
        if registration.lifetime() == Lifetime::Singleton {
            walk.captives(registration);
        }
    }
    if walk.faults.is_empty() { Ok(()) } else { Err(ServiceFaults(walk.faults)) }
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Unseen,
    /// The service is in the path at this index.
    OnPath(usize),
    Seen,
}

/// A walk through the dependencies of all services.
struct DependencyWalk<'a> {
    services: &'a Registrations,
    marks: Vec<Mark>,
    /// The names from the first consumer to the service that is being visited.
    path: Vec<String>,
    faults: Vec<ServiceFault>,
}

impl DependencyWalk<'_> {
    /// Visits a service. Each service is visited once, so each fault is reported once.
    fn visit(&mut self, index: usize) {
        let registration = &self.services.list()[index];
        match self.marks[index] {
            Mark::Seen => {}
            Mark::OnPath(start) => {
                let chain = chain(&self.path[start..], &registration.name);
                self.faults.push(ServiceFault::Circular { chain, location: registration.location });
            }
            Mark::Unseen => {
                self.marks[index] = Mark::OnPath(self.path.len());
                self.needs_of(&registration.name, registration.location, &registration.needs);
                self.marks[index] = Mark::Seen;
            }
        }
    }

    fn needs_of(&mut self, name: &str, location: &'static Location<'static>, needs: &Needs) {
        self.path.push(name.to_owned());
        for need in needs.services() {
            match self.services.index_of(need.id) {
                Some(index) => self.visit(index),
                None if need.is_optional => {}
                None => {
                    let service = short_name(need.type_name);
                    let chain = self.path.join(" -> ");
                    self.faults.push(ServiceFault::Missing { service, chain, location });
                }
            }
        }
        self.path.pop();
    }

    /// Finds the scoped services that a singleton would keep, directly or through transient
    /// services.
    fn captives(&mut self, singleton: &Registration) {
        self.marks.fill(Mark::Unseen);
        self.path.push(singleton.name.clone());
        self.captives_through(singleton, singleton);
        self.path.pop();
    }

    fn captives_through(&mut self, singleton: &Registration, through: &Registration) {
        let services = self.services;
        for need in through.needs.services() {
            let Some(index) = services.index_of(need.id) else { continue };
            let needed = &services.list()[index];
            if std::mem::replace(&mut self.marks[index], Mark::Seen) == Mark::Seen {
                continue;
            }
            match needed.lifetime() {
                // That singleton has a check of its own.
                Lifetime::Singleton => {}
                Lifetime::Scoped => self.faults.push(ServiceFault::Captive {
                    singleton: singleton.name.clone(),
                    scoped: needed.name.clone(),
                    chain: chain(&self.path, &needed.name),
                    location: singleton.location,
                }),
                Lifetime::Transient | Lifetime::SameAs(_) => {
                    self.path.push(needed.name.clone());
                    self.captives_through(singleton, needed);
                    self.path.pop();
                }
            }
        }
    }
}

fn chain(path: &[String], end: &str) -> String {
    path.iter().map(|name| format!("{name} -> ")).collect::<String>() + end
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::services::builder::ServicesBuilder;
    use crate::services::dc::Dc;

    struct A;
    struct B;
    struct C;
    struct D;
    trait Repo: Send + Sync {}
    impl Repo for A {}

    type Consumer = (&'static str, fn(&mut Needs));

    /// Each expectation is a part of one fault, in order. Each fault has its location.
    #[track_caller]
    fn check(services: ServicesBuilder, consumers: &[Consumer], expect: &[&str]) {
        let needs: Vec<_> = consumers
            .iter()
            .map(|(_, needs)| {
                let mut all = Needs::default();
                needs(&mut all);
                all
            })
            .collect();
        let location = Location::caller();
        let consumers = consumers.iter().zip(&needs);
        let consumers =
            consumers.map(|((name, _), needs)| ServiceConsumer { name, location, needs });
        let found: Vec<_> = match services.check(consumers) {
            Ok(()) => Vec::new(),
            Err(faults) => faults.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(found.len(), expect.len(), "{found:#?}");
        for (found, expect) in found.iter().zip(expect) {
            assert!(found.contains("check.rs:") && found.contains(expect), "{found}");
        }
    }

    #[test]
    fn a_missing_service_is_reported_once_with_the_chain_from_its_first_consumer() {
        let mut services = ServicesBuilder::new();
        services.add_scoped_factory(|_: Dc<B>| Ok(A));
        services.add_transient_factory(|_: Dc<C>, _: Dc<String>| Ok(B));
        services.add_singleton(String::new());
        let expect = ["`C` is needed by GET /a -> A -> B: add `app.add_singleton(..)`"];
        check(
            services,
            &[("GET /a", |n| n.add_service::<A>()), ("GET /b", |n| n.add_service::<B>())],
            &expect,
        );

        let mut services = ServicesBuilder::new();
        services.add_scoped_factory(|_: Dc<B>| Ok(A));
        let expect = ["`Arc<dyn Repo>` is needed by GET /a: add", "`B` is needed by A: add"];
        check(services, &[("GET /a", |n| n.add_service::<Arc<dyn Repo>>())], &expect);
    }

    #[test]
    fn an_optional_service_may_be_missing_but_its_own_needs_are_checked() {
        let asks: fn(&mut Needs) = |needs| needs.add_optional(|needs| needs.add_service::<A>());
        check(ServicesBuilder::new(), &[("GET /a", asks)], &[]);
        let mut services = ServicesBuilder::new();
        services.add_scoped_factory(|_: Dc<B>| Ok(A));
        check(services, &[("GET /a", asks)], &["`B` is needed by GET /a -> A: add"]);
    }

    #[test]
    fn circles_are_reported_with_exactly_their_members() {
        let mut services = ServicesBuilder::new();
        services.add_scoped_factory(|_: Dc<B>| Ok(A));
        services.add_scoped_factory(|_: Dc<C>, _: Dc<D>| Ok(B));
        services.add_transient_factory(|_: Dc<A>| Ok(C));
        services.add_scoped_factory(|_: Dc<D>| Ok(D));
        let expect = [
            "services need each other in a circle: A -> B -> C -> A",
            "services need each other in a circle: D -> D",
        ];
        check(services, &[("GET /a", |n| n.add_service::<A>())], &expect);

        let mut services = ServicesBuilder::new();
        services.add_alias::<dyn Repo, A>(|repo| repo);
        services.add_singleton_factory(|_: Dc<dyn Repo>| Ok(A));
        check(services, &[], &["in a circle: dyn Repo -> A -> dyn Repo"]);
    }

    #[test]
    fn a_singleton_keeps_no_scoped_service_even_through_others() {
        let mut services = ServicesBuilder::new();
        services.add_scoped_factory(|| Ok(A));
        services.add_alias::<dyn Repo, A>(|repo| repo);
        services.add_transient_factory(|_: Dc<dyn Repo>, _: Dc<A>| Ok(B));
        services.add_singleton_factory(|_: Dc<B>| Ok(C));
        // Only `C` is reported: `D` keeps a singleton.
        services.add_singleton_factory(|_: Dc<C>| Ok(D));
        let expect =
            ["singleton `C` would keep scoped `A` beyond its request: C -> B -> dyn Repo -> A"];
        check(services, &[], &expect);
    }

    #[test]
    fn the_location_is_where_the_service_was_registered() {
        let mut services = ServicesBuilder::new();
        let line = line!() + 1;
        services.add_scoped_factory(|_: Dc<B>| Ok(A));
        let faults = services.build().unwrap_err();
        assert!(faults.to_string().contains(&format!("check.rs:{line}:")), "{faults}");
        let [ServiceFault::Missing { location, .. }] = &faults.0[..] else { panic!("{faults}") };
        assert_eq!(location.line(), line);
    }
}

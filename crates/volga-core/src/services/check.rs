//! What can be wrong with services, found before the first request (pure).

use std::{fmt, panic::Location};

use crate::services::builder::{Lifetime, Registration, ServicesBuilder};
use crate::services::needs::{Needs, short};

/// Someone who asks for services: a route or a middleware.
#[derive(Clone, Debug)]
pub struct ServiceConsumer<'a> {
    /// What it is called in the message, such as ``the handler of `GET /users` ``.
    pub name: &'a str,
    /// Where it was mapped.
    pub location: &'static Location<'static>,
    /// What it needs.
    pub needs: &'a Needs,
}

/// What is wrong with a service, and where.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ServiceFault {
    /// A service is needed and not registered.
    #[error("{location}: `{service}` is not registered, but needed: {chain}")]
    Missing {
        /// The service.
        service: String,
        /// From who asks first to the service that is missing.
        chain: String,
        /// Where the one that needs it was registered or mapped.
        location: &'static Location<'static>,
    },
    /// Services need each other in a circle, so none can be made first.
    #[error("{location}: services need each other in a circle: {chain}")]
    Circular {
        /// The circle, from one of them to the same again.
        chain: String,
        /// Where that one was registered.
        location: &'static Location<'static>,
    },
    /// A singleton would keep a service that is to live no longer than its request. Make the singleton scoped, or the scoped service a
    /// singleton or transient.
    #[error(
        "{location}: singleton `{singleton}` would keep scoped `{scoped}` beyond its request: {chain}"
    )]
    Captive {
        /// The singleton.
        singleton: String,
        /// The scoped service.
        scoped: String,
        /// From the singleton to the scoped service.
        chain: String,
        /// Where the singleton was registered.
        location: &'static Location<'static>,
    },
}

/// All that is wrong with services.
#[derive(Clone, Eq, PartialEq)]
pub struct ServiceFaults(Vec<ServiceFault>);

impl ServiceFaults {
    /// The faults; at least one.
    pub fn iter(&self) -> impl Iterator<Item = &ServiceFault> {
        self.0.iter()
    }
}

impl fmt::Display for ServiceFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} faults of services", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// The message: a `main` that returns the error prints it in this form.
impl fmt::Debug for ServiceFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for ServiceFaults {}

pub(super) fn check<'a>(
    services: &ServicesBuilder,
    askers: impl IntoIterator<Item = ServiceConsumer<'a>>,
) -> Result<(), ServiceFaults> {
    let registrations = services.registrations();
    let mut walk = Walk {
        services,
        marks: vec![Mark::Unseen; registrations.len()],
        path: Vec::new(),
        faults: Vec::new(),
    };
    // Askers first, so that chains start at whoever a person knows best.
    for asker in askers {
        walk.needs_of(asker.name, asker.location, asker.needs);
    }
    for index in 0..registrations.len() {
        walk.service(index);
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
    /// It stands there in the path.
    OnPath(usize),
    Seen,
}

struct Walk<'a> {
    services: &'a ServicesBuilder,
    marks: Vec<Mark>,
    /// The names from who asks to what is looked at.
    path: Vec<String>,
    faults: Vec<ServiceFault>,
}

impl Walk<'_> {
    /// Each service is looked into once, so each fault is told once.
    fn service(&mut self, index: usize) {
        let registration = &self.services.registrations()[index];
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
                Some(index) => self.service(index),
                None if need.is_optional => {}
                None => {
                    let service = short(need.type_name);
                    let chain = chain(&self.path, &service);
                    self.faults.push(ServiceFault::Missing { service, chain, location });
                }
            }
        }
        self.path.pop();
    }

    /// The scoped services that a singleton would keep, itself or through transient ones.
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
            let needed = &services.registrations()[index];
            if std::mem::replace(&mut self.marks[index], Mark::Seen) == Mark::Seen {
                continue;
            }
            match needed.lifetime() {
                // It is looked at for itself.
                Lifetime::Singleton => {}
                Lifetime::Scoped => self.faults.push(ServiceFault::Captive {
                    singleton: singleton.name.clone(),
                    scoped: needed.name.clone(),
                    chain: chain(&self.path, &needed.name),
                    location: singleton.location,
                }),
                Lifetime::Transient | Lifetime::Of(_) => {
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
    use crate::services::dc::Dc;

    struct A;
    struct B;
    struct C;
    struct D;
    trait Repo: Send + Sync {}
    impl Repo for A {}

    type Asking = (&'static str, fn(&mut Needs));

    /// Each expectation stands for one fault, in order; each fault has its place.
    #[track_caller]
    fn check(services: ServicesBuilder, askers: &[Asking], expect: &[&str]) {
        let needs: Vec<_> = askers
            .iter()
            .map(|(_, needs)| {
                let mut all = Needs::default();
                needs(&mut all);
                all
            })
            .collect();
        let location = Location::caller();
        let askers = askers.iter().zip(&needs).map(|((name, _), needs)| ServiceConsumer {
            name,
            location,
            needs,
        });
        let found: Vec<_> = match services.check(askers) {
            Ok(()) => Vec::new(),
            Err(faults) => faults.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(found.len(), expect.len(), "{found:#?}");
        for (found, expect) in found.iter().zip(expect) {
            assert!(found.contains("check.rs:") && found.ends_with(expect), "{found}");
        }
    }

    #[test]
    fn what_is_missing_is_told_once_with_the_chain_from_who_asks_first() {
        let mut services = ServicesBuilder::new();
        services.add_scoped_factory(|_: Dc<B>| Ok(A));
        services.add_transient_factory(|_: Dc<C>, _: Dc<String>| Ok(B));
        services.add_singleton(String::new());
        let expect = ["`C` is not registered, but needed: GET /a -> A -> B -> C"];
        check(
            services,
            &[("GET /a", |n| n.service::<A>()), ("GET /b", |n| n.service::<B>())],
            &expect,
        );

        let mut services = ServicesBuilder::new();
        services.add_scoped_factory(|_: Dc<B>| Ok(A));
        let expect = [
            "`Arc<dyn Repo>` is not registered, but needed: GET /a -> Arc<dyn Repo>",
            "`B` is not registered, but needed: A -> B",
        ];
        check(services, &[("GET /a", |n| n.service::<Arc<dyn Repo>>())], &expect);
    }

    #[test]
    fn who_does_without_a_service_is_at_no_fault_but_what_that_needs_is_looked_at() {
        let asks: fn(&mut Needs) = |needs| needs.optional(|needs| needs.service::<A>());
        check(ServicesBuilder::new(), &[("GET /a", asks)], &[]);
        let mut services = ServicesBuilder::new();
        services.add_scoped_factory(|_: Dc<B>| Ok(A));
        check(
            services,
            &[("GET /a", asks)],
            &["`B` is not registered, but needed: GET /a -> A -> B"],
        );
    }

    #[test]
    fn circles_are_told_with_all_who_are_in_them_and_nobody_else() {
        let mut services = ServicesBuilder::new();
        services.add_scoped_factory(|_: Dc<B>| Ok(A));
        services.add_scoped_factory(|_: Dc<C>, _: Dc<D>| Ok(B));
        services.add_transient_factory(|_: Dc<A>| Ok(C));
        services.add_scoped_factory(|_: Dc<D>| Ok(D));
        let expect = [
            "services need each other in a circle: A -> B -> C -> A",
            "services need each other in a circle: D -> D",
        ];
        check(services, &[("GET /a", |n| n.service::<A>())], &expect);

        let mut services = ServicesBuilder::new();
        services.add_alias::<dyn Repo, A>(|repo| repo);
        services.add_singleton_factory(|_: Dc<dyn Repo>| Ok(A));
        check(services, &[], &["in a circle: dyn Repo -> A -> dyn Repo"]);
    }

    #[test]
    fn a_singleton_keeps_no_scoped_service_not_even_through_others() {
        let mut services = ServicesBuilder::new();
        services.add_scoped_factory(|| Ok(A));
        services.add_alias::<dyn Repo, A>(|repo| repo);
        services.add_transient_factory(|_: Dc<dyn Repo>, _: Dc<A>| Ok(B));
        services.add_singleton_factory(|_: Dc<B>| Ok(C));
        // Told of `C` alone: `D` keeps what is a singleton anyway.
        services.add_singleton_factory(|_: Dc<C>| Ok(D));
        let expect =
            ["singleton `C` would keep scoped `A` beyond its request: C -> B -> dyn Repo -> A"];
        check(services, &[], &expect);
    }

    #[test]
    fn the_place_is_where_the_service_was_registered() {
        let mut services = ServicesBuilder::new();
        let line = line!() + 1;
        services.add_scoped_factory(|_: Dc<B>| Ok(A));
        let faults = services.build().unwrap_err();
        assert!(faults.to_string().contains(&format!("check.rs:{line}:")), "{faults}");
        let [ServiceFault::Missing { location, .. }] = &faults.0[..] else { panic!("{faults}") };
        assert_eq!(location.line(), line);
    }
}

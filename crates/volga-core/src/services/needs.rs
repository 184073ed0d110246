//! `Needs`: the services that extractors and factories need (pure).

use std::any::{TypeId, type_name};

/// The services that an argument or a factory needs, and whether it needs the cancellation token.
///
/// The checks at start-up use it to find a service that is not registered before the first request.
///
/// ```
/// use volga_core::Needs;
///
/// struct Sessions;
///
/// let mut needs = Needs::default();
/// needs.add_service::<Sessions>();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Needs {
    services: Vec<Need>,
    token: bool,
    anything: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Need {
    pub(crate) id: TypeId,
    pub(crate) type_name: &'static str,
    /// Whether the service may be missing.
    pub(crate) is_optional: bool,
}

impl Needs {
    /// Adds the service [`Dc<T>`](crate::Dc).
    pub fn add_service<T: ?Sized + 'static>(&mut self) {
        let (id, type_name) = (TypeId::of::<T>(), type_name::<T>());
        self.services.push(Need { id, type_name, is_optional: false });
    }

    /// Adds the [`CancellationToken`](crate::CancellationToken).
    pub fn add_cancellation(&mut self) {
        self.token = true;
    }

    /// Adds the token and any service, for code that does not declare its needs. The checks at
    /// start-up cannot find a missing service then; the request fails when it asks for the service.
    pub fn add_anything(&mut self) {
        self.anything = true;
    }

    /// Adds needs whose services may be missing.
    pub fn add_optional(&mut self, needs: impl FnOnce(&mut Needs)) {
        let mut inner = Self::default();
        needs(&mut inner);
        inner.make_optional();
        self.merge(&inner);
    }

    pub(crate) fn make_optional(&mut self) {
        self.services.iter_mut().for_each(|need| need.is_optional = true);
    }

    /// Adds all needs of another value.
    pub fn merge(&mut self, other: &Needs) {
        self.services.extend_from_slice(&other.services);
        self.token |= other.token;
        self.anything |= other.anything;
    }

    pub(crate) fn services(&self) -> &[Need] {
        &self.services
    }

    pub(crate) fn needs_token(&self) -> bool {
        self.token || self.anything
    }

    pub(crate) fn needs_scope(&self) -> bool {
        self.anything || !self.services.is_empty()
    }
}

/// Removes the paths from the name of a type: `Arc<dyn Repo>` for `alloc::sync::Arc<dyn
/// app::repo::Repo>`.
pub(crate) fn short_name(type_name: &str) -> String {
    let mut out = String::new();
    let mut rest = type_name;
    while !rest.is_empty() {
        // Braces belong to paths: the path of a type in a closure contains `{{closure}}`.
        let is_part = |c: char| c.is_alphanumeric() || "_:{}#".contains(c);
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (path, after) = rest.split_at(end);
        out.push_str(path.rsplit("::").next().unwrap_or(path));
        let mut chars = after.chars();
        out.extend(chars.next());
        rest = chars.as_str();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_only_their_paths() {
        for (full, expect) in [
            ("alloc::string::String", "String"),
            ("alloc::sync::Arc<dyn a::b::Repo>", "Arc<dyn Repo>"),
            ("dyn a::Repo<Item = a::B> + b::Mark", "dyn Repo<Item = B> + Mark"),
            ("(a::B, &[u8; 4])", "(B, &[u8; 4])"),
            ("a::{{closure}}::B", "B"),
            ("str", "str"),
            ("", ""),
        ] {
            assert_eq!(short_name(full), expect);
        }
    }

    #[test]
    fn optional_needs_are_still_needs_of_the_request() {
        let mut needs = Needs::default();
        assert!(!needs.needs_token() && !needs.needs_scope());
        needs.add_optional(|needs| {
            needs.add_service::<str>();
            needs.add_cancellation();
        });
        needs.add_service::<u8>();
        assert!(needs.needs_token() && needs.needs_scope());
        let optional: Vec<_> = needs.services().iter().map(|need| need.is_optional).collect();
        assert_eq!(optional, [true, false]);
    }
}

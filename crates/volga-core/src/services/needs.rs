//! What extractors and factories need, told before the first request (pure).

use std::any::{TypeId, type_name};

/// What an argument needs besides its request, told at start-up.
///
/// An extractor of one's own tells what it uses, so that a missing service is found before the
/// first request:
///
/// ```
/// use volga_core::{Dc, Needs};
///
/// struct Sessions;
///
/// fn needs(needs: &mut Needs) {
///     needs.service::<Sessions>();
/// }
/// # needs(&mut Needs::default());
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
    /// It does without.
    pub(crate) is_optional: bool,
}

impl Needs {
    /// It uses [`Dc<T>`](crate::Dc).
    pub fn service<T: ?Sized + 'static>(&mut self) {
        let (id, type_name) = (TypeId::of::<T>(), type_name::<T>());
        self.services.push(Need { id, type_name, is_optional: false });
    }

    /// It uses the [`CancellationToken`](crate::CancellationToken).
    pub fn cancellation(&mut self) {
        self.token = true;
    }

    /// It does not say: it may use the token, or services, which are then missing no sooner than it
    /// asks for them.
    pub fn anything(&mut self) {
        self.anything = true;
    }

    /// It needs what `needs` tells, and does without the services that are not registered.
    pub fn optional(&mut self, needs: impl FnOnce(&mut Needs)) {
        let mut inner = Self::default();
        needs(&mut inner);
        inner.make_optional();
        self.merge(&inner);
    }

    pub(crate) fn make_optional(&mut self) {
        self.services.iter_mut().for_each(|need| need.is_optional = true);
    }

    /// Adds what others need.
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

/// The name of a type without the paths of its parts: `Arc<dyn Repo>` for `alloc::sync::Arc<dyn
/// app::repo::Repo>`.
pub(crate) fn short(type_name: &str) -> String {
    let mut out = String::new();
    let mut rest = type_name;
    while !rest.is_empty() {
        // Braces: the path of a type in a closure has `{{closure}}` in it.
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
    fn names_lose_their_paths_only() {
        for (full, expect) in [
            ("alloc::string::String", "String"),
            ("alloc::sync::Arc<dyn a::b::Repo>", "Arc<dyn Repo>"),
            ("dyn a::Repo<Item = a::B> + b::Mark", "dyn Repo<Item = B> + Mark"),
            ("(a::B, &[u8; 4])", "(B, &[u8; 4])"),
            ("a::{{closure}}::B", "B"),
            ("str", "str"),
            ("", ""),
        ] {
            assert_eq!(short(full), expect);
        }
    }

    #[test]
    fn optional_needs_stay_needs_of_the_request() {
        let mut needs = Needs::default();
        assert!(!needs.needs_token() && !needs.needs_scope());
        needs.optional(|needs| {
            needs.service::<str>();
            needs.cancellation();
        });
        needs.service::<u8>();
        assert!(needs.needs_token() && needs.needs_scope());
        let optional: Vec<_> = needs.services().iter().map(|need| need.is_optional).collect();
        assert_eq!(optional, [true, false]);
    }
}

//! `Route`: a mapped route, to change its settings.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use volga_core::{Description, RouteId, RouteMethod};

use crate::group::Group;

/// A route that was just mapped. It dereferences to its [`Group`], so that you can map the next
/// route.
///
/// ```
/// use volga::{App, ok};
///
/// let mut app = App::new();
/// let route = app.map_get("/users/{id}", async |id: u32| ok!("{id}"));
/// assert_eq!(route.pattern(), "/users/{id}");
/// ```
pub struct Route<'a> {
    group: &'a mut Group,
    id: RouteId,
}

impl<'a> Route<'a> {
    pub(crate) fn new(group: &'a mut Group, id: RouteId) -> Self {
        Self { group, id }
    }

    pub(crate) fn id(&self) -> RouteId {
        self.id
    }

    /// The method of the route, or any.
    #[must_use]
    pub fn method(&self) -> &RouteMethod {
        self.group.router().route(self.id).0
    }

    /// The pattern of the route, with the prefixes of its groups.
    #[must_use]
    pub fn pattern(&self) -> &str {
        self.group.router().route(self.id).1
    }

    /// The description of the route: what its handler reads, which responses it may give, and the
    /// same for the middleware around it at this time.
    ///
    /// ```
    /// use volga::{App, Json, Query, http::StatusCode};
    ///
    /// let mut app = App::new();
    /// let route = app.map_get("/{n}", async |n: u32, _: Query<Vec<(String, u8)>>| Json(n / 2));
    /// let description = route.description();
    /// assert!(description.is_query_read() && description.body().is_none());
    /// assert_eq!(description.path_args(), 1);
    /// let ok = description.responses().iter().find(|each| each.status == Some(StatusCode::OK));
    /// assert_eq!(ok.unwrap().media_types, ["application/json"]);
    /// ```
    #[must_use]
    pub fn description(&self) -> Description {
        self.group.router().description(self.id)
    }
}

impl Deref for Route<'_> {
    type Target = Group;

    fn deref(&self) -> &Group {
        self.group
    }
}

impl DerefMut for Route<'_> {
    fn deref_mut(&mut self) -> &mut Group {
        self.group
    }
}

impl fmt::Debug for Route<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("method", self.method())
            .field("pattern", &self.pattern())
            .finish_non_exhaustive()
    }
}

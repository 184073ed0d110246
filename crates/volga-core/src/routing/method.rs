//! `RouteMethod`: the methods of a route (pure).

use std::fmt;

use http::Method;

/// The methods of a route: one method, or any.
///
/// ```
/// use http::Method;
/// use volga_core::RouteMethod;
///
/// assert_eq!(RouteMethod::from(Method::GET), Method::GET);
/// assert_eq!(RouteMethod::Any.to_string(), "ANY");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RouteMethod {
    /// This method. A route for GET also responds to HEAD.
    Only(Method),
    /// Every method for which no other route has the same pattern.
    Any,
}

impl RouteMethod {
    /// The method as text. It is `ANY` for any method.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Only(method) => method.as_str(),
            Self::Any => "ANY",
        }
    }

    /// The method, or `None` for any method.
    #[must_use]
    pub fn only(&self) -> Option<&Method> {
        match self {
            Self::Only(method) => Some(method),
            Self::Any => None,
        }
    }
}

impl From<Method> for RouteMethod {
    fn from(method: Method) -> Self {
        Self::Only(method)
    }
}

impl PartialEq<Method> for RouteMethod {
    fn eq(&self, method: &Method) -> bool {
        self.only() == Some(method)
    }
}

impl fmt::Display for RouteMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

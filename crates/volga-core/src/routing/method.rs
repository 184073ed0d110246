//! The methods that a route is mapped for. Pure.

use std::fmt;

use http::Method;

/// The methods that a route is mapped for: one, or any.
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
    /// This method; GET answers HEAD, too.
    Only(Method),
    /// Every method that no other route of the same pattern is mapped for.
    Any,
}

impl RouteMethod {
    /// The method as text, `ANY` for any.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Only(method) => method.as_str(),
            Self::Any => "ANY",
        }
    }

    /// The method, if it is a single one.
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

//! Protection from requests that other sites make in the name of a user (CSRF).

pub(crate) mod protection;

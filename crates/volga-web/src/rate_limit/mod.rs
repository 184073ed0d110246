//! Limits on the rate of requests.
//!
//! | module | content |
//! |---|---|
//! | `quota` | `Quota`: how many requests in which time, and the decision for one of them (pure) |
//! | `recency` | a map that knows which of its keys was used longest ago (pure) |
//! | `store` | the states of all keys, in bounded memory |
//! | `fields` | the fields of responses, and the refusal (pure) |
//! | `middleware` | `RateLimit`, the settings and the middleware |

pub(crate) mod fields;
pub(crate) mod middleware;
pub(crate) mod quota;
mod recency;
mod store;

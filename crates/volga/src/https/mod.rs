//! HTTPS for an app. The server's part is in `volga-http`.
//!
//! | module | idea |
//! |---|---|
//! | `app` | the methods of `App` for HTTPS |
//! | `settings` | what they set, and the listeners of an app with and without TLS |
//! | `http3` | HTTP/3, and the header that tells clients of it |
//! | `redirect` | responds to requests over plain HTTP with a redirect to HTTPS |
//! | `hsts` | the header that keeps browsers on HTTPS |
//! | `client_scheme` | the scheme of the client's request, as an argument |
//! | `forwarded_scheme` | what trusted proxies say about the scheme (pure) |
//! | `client_certificate` | what the certificate of the client says |

mod app;
#[cfg(feature = "client-certificates")]
pub(crate) mod client_certificate;
pub(crate) mod client_scheme;
pub(crate) mod forwarded_scheme;
pub(crate) mod hsts;
#[cfg(feature = "http3")]
pub(crate) mod http3;
#[cfg(feature = "tls")]
pub(crate) mod redirect;
pub(crate) mod settings;

//! HTTPS: certificates, handshakes, and the stream of an encrypted connection. rustls does the
//! cryptography, with the provider ring, which is passed explicitly.
//!
//! | module | idea |
//! |---|---|
//! | `settings` | `Tls`, the settings of HTTPS |
//! | `pem`, `error` | reading certificates and keys from PEM (pure), and why that failed |
//! | `certificates` | one certificate with its key, and choosing among several by name (pure) |
//! | `client_auth` | certificates of clients |
//! | `tickets` | session tickets, also with keys that several processes share |
//! | `server_config` | the configuration of rustls, from everything that was read |
//! | `loaded_certificates` | the certificates in use, and replacing them while the server runs |
//! | `watch` | notices that the files have changed |
//! | `acceptor` | accepts connections with the certificates in use |
//! | `session` | encrypts and decrypts the bytes of one connection (pure) |
//! | `stream` | the byte stream of a connection, with its handshake |
//! | `development` | a certificate for this machine, in debug builds |

pub(crate) mod acceptor;
pub(crate) mod certificates;
pub(crate) mod client_auth;
#[cfg(feature = "dev-certificate")]
pub(crate) mod development;
pub(crate) mod error;
pub(crate) mod loaded_certificates;
pub(crate) mod pem;
pub(crate) mod server_config;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod stream;
pub(crate) mod tickets;
pub(crate) mod watch;

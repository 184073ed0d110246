//! Certificates of clients: which clients may connect, and the facts that a handler gets.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::tls::certificates::PemSource;
use crate::tls::error::{PemOrigin, TlsError};
use crate::tls::pem;

/// The authorities that issue the certificates of your clients.
#[derive(Clone)]
pub struct ClientRoots(pub(crate) PemSource);

impl ClientRoots {
    /// The certificates in this PEM file.
    pub fn pem_file(path: impl Into<PathBuf>) -> Self {
        Self(PemSource::File(path.into()))
    }

    /// The certificates in this PEM text.
    pub fn pem(text: impl AsRef<[u8]>) -> Self {
        Self(PemSource::Memory(text.as_ref().into()))
    }
}

impl fmt::Debug for ClientRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientRoots({})", self.0.origin())
    }
}

/// Whether clients must have a certificate.
#[derive(Clone, Debug)]
pub(crate) enum ClientAuth {
    /// A client without a certificate is served too.
    Optional(ClientRoots),
    /// The handshake with a client without a certificate fails.
    Required(ClientRoots),
}

impl ClientAuth {
    pub(crate) fn roots(&self) -> &PemSource {
        let (Self::Optional(roots) | Self::Required(roots)) = self;
        &roots.0
    }
}

/// Makes the verifier of client certificates from the PEM text of the roots.
pub(crate) fn verifier(
    auth: &ClientAuth,
    provider: &Arc<CryptoProvider>,
    (origin, pem): (&PemOrigin, &[u8]),
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let failed = |reason: String| TlsError::ClientRoots { origin: origin.clone(), reason };
    let mut roots = RootCertStore::empty();
    for certificate in pem::certificates(origin, pem)? {
        let line = certificate.line;
        roots.add(certificate.value).map_err(|error| TlsError::InvalidCertificate {
            origin: origin.clone(),
            line,
            reason: error.to_string(),
        })?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
    let builder = match auth {
        ClientAuth::Optional(_) => builder.allow_unauthenticated(),
        ClientAuth::Required(_) => builder,
    };
    builder.build().map_err(|error| failed(error.to_string()))
}

//! `TlsSettings`: the certificates for connections over TLS.

use redis::{Client, ClientTlsConfig, ConnectionInfo, TlsCertificates};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Texts in the format PEM. A setting that is not there is `None`.
#[derive(Clone, Default)]
pub(crate) struct TlsSettings {
    /// The authorities that are trusted, in place of those of the system.
    pub(crate) authorities: Option<Vec<u8>>,
    /// The certificate with which this node identifies itself, and its key.
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

impl TlsSettings {
    /// Says which text is not what it should be.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(pem) = &self.authorities {
            check_certificates(pem).map_err(|reason| format!("the authority {reason}"))?;
        }
        if let Some((chain, key)) = &self.client {
            check_certificates(chain).map_err(|reason| format!("the client {reason}"))?;
            // The error does not have the text, which may be the key.
            PrivateKeyDer::from_pem_slice(key)
                .map_err(|_| "the key of the client has no private key in the format PEM")?;
        }
        Ok(())
    }

    /// Makes a client for an address with TLS.
    pub(crate) fn client(&self, info: ConnectionInfo) -> redis::RedisResult<Client> {
        // rustls cannot choose if another dependency brings a second provider, and panics.
        if CryptoProvider::get_default().is_none() {
            // This fails if another thread has just installed one, which is as good.
            _ = ring::default_provider().install_default();
        }
        let client_tls = self
            .client
            .clone()
            .map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
        let root_cert = self.authorities.clone();
        Client::build_with_tls(info, TlsCertificates { client_tls, root_cert })
    }
}

fn check_certificates(pem: &[u8]) -> Result<(), String> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        certificate.map_err(|error| format!("is not valid PEM: {error}"))?;
        count += 1;
    }
    if count == 0 { Err("has no certificate in the format PEM".to_owned()) } else { Ok(()) }
}

//! The configuration of rustls, from everything that was read.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use ring::digest::{Context, SHA256};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring as provider};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::version::{TLS12, TLS13};

use crate::limits::MAX_PEM_BYTES;
use crate::tls::certificates::{CertificateSource, CertificatesByName, PemSource, certificate};
use crate::tls::client_auth::{ClientAuth, verifier};
use crate::tls::error::{PemOrigin, TlsError};
use crate::tls::tickets::{SharedTickets, TicketKeys, parse};

/// The protocols that the server offers, with the best one first. Old clients and `curl --http1.0`
/// know only the last one.
const ALPN: [&[u8]; 3] = [b"h2", b"http/1.1", b"http/1.0"];

/// The parts of a configuration.
#[derive(Clone, Debug)]
pub(crate) struct ConfigSource {
    /// The first one is the default.
    pub(crate) certificates: Vec<CertificateSource>,
    pub(crate) client_auth: Option<ClientAuth>,
    pub(crate) tickets: TicketKeys,
}

impl ConfigSource {
    /// Whether a part of it is in a file, which may change.
    pub(crate) fn has_files(&self) -> bool {
        let pem = self.certificates.iter().flat_map(|one| [&one.certificate, &one.key]);
        let mut pem = pem.chain(self.client_auth.iter().map(ClientAuth::roots));
        pem.any(|source| matches!(source, PemSource::File(_)))
            || matches!(self.tickets, TicketKeys::File(_))
    }
}

/// A hash of all files, to notice that they have changed.
pub(crate) type Fingerprint = [u8; 32];

/// All texts, as they were at one time.
pub(crate) struct Contents {
    certificates: Vec<[(PemOrigin, Vec<u8>); 2]>,
    client_roots: Option<(PemOrigin, Vec<u8>)>,
    ticket_keys: Option<Vec<u8>>,
}

impl Contents {
    /// Reads all files.
    pub(crate) fn read(source: &ConfigSource) -> Result<Self, TlsError> {
        let certificates = source
            .certificates
            .iter()
            .map(|one| Ok([read_pem(&one.certificate)?, read_pem(&one.key)?]))
            .collect::<Result<_, TlsError>>()?;
        let client_roots =
            source.client_auth.as_ref().map(|auth| read_pem(auth.roots())).transpose()?;
        let ticket_keys = match &source.tickets {
            TicketKeys::File(path) => Some(read_file(path)?),
            TicketKeys::Random | TicketKeys::Shared(_) => None,
        };
        Ok(Self { certificates, client_roots, ticket_keys })
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut hash = Context::new(&SHA256);
        let pem = self.certificates.iter().flatten().chain(&self.client_roots);
        for text in pem.map(|(_, text)| text).chain(&self.ticket_keys) {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(hash.finish().as_ref());
        fingerprint
    }

    /// Makes the configuration. `random` makes the tickets if no keys are set.
    pub(crate) fn config(
        &self,
        source: &ConfigSource,
        random: &Arc<dyn ProducesTickets>,
    ) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(provider::default_provider());
        let config_error = |error: rustls::Error| TlsError::Config { reason: error.to_string() };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(config_error)?;
        let builder = match (&source.client_auth, &self.client_roots) {
            (Some(auth), Some((origin, text))) => {
                builder.with_client_cert_verifier(verifier(auth, &provider, (origin, text))?)
            }
            _ => builder.with_no_client_auth(),
        };
        let by_name = self.by_name(&provider)?;
        let mut config = builder.with_cert_resolver(Arc::new(by_name));
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).into();
        // The server's order of ciphers, with the strongest first.
        config.ignore_client_order = true;
        if source.client_auth.is_some() {
            // A resumed session does not verify the client's certificate again. After a change of
            // the client roots, a client that is not trusted any more could still resume.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        } else {
            config.ticketer = match (&source.tickets, &self.ticket_keys) {
                (TicketKeys::File(path), Some(text)) => SharedTickets::new(&parse(path, text)?)?,
                (TicketKeys::Shared(keys), _) => SharedTickets::new(keys)?,
                _ => Arc::clone(random),
            };
        }
        Ok(config)
    }

    /// Whether the certificates can be used.
    #[cfg(feature = "dev-certificate")]
    pub(crate) fn is_usable(&self) -> bool {
        self.by_name(&provider::default_provider()).is_ok()
    }

    fn by_name(&self, provider: &CryptoProvider) -> Result<CertificatesByName, TlsError> {
        let mut certificates = Vec::new();
        for [(certificate_origin, certificate_text), (key_origin, key_text)] in &self.certificates {
            let certificate = certificate(
                provider,
                (certificate_origin, certificate_text),
                (key_origin, key_text),
            )?;
            if !certificates.is_empty() && certificate.names.is_empty() {
                return Err(TlsError::NoName { origin: certificate_origin.clone() });
            }
            certificates.push(certificate);
        }
        CertificatesByName::new(certificates)
            .ok_or_else(|| TlsError::Config { reason: "it has no certificate".to_owned() })
    }
}

fn read_pem(source: &PemSource) -> Result<(PemOrigin, Vec<u8>), TlsError> {
    let text = match source {
        PemSource::File(path) => read_file(path)?,
        PemSource::Memory(text) => text.to_vec(),
    };
    Ok((source.origin(), text))
}

/// Reads a file of limited size.
fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_PEM_BYTES as u64 + 1).read_to_end(&mut text))
        .map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    if text.len() > MAX_PEM_BYTES {
        return Err(TlsError::TooLarge { path: path.to_owned() });
    }
    Ok(text)
}

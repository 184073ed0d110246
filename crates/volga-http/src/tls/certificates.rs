//! One certificate with its key, and choosing among several by the name that the client asks for.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

use crate::tls::error::{PemOrigin, TlsError};
use crate::tls::pem::{self, PemItem};

/// A certificate chain and its private key, as PEM text or in PEM files.
///
/// The server's own certificate comes first, and after it the certificates of its issuers. Both may
/// be in one file: then pass its path twice.
#[derive(Clone)]
pub struct CertificateSource {
    pub(crate) certificate: PemSource,
    pub(crate) key: PemSource,
}

/// Where a PEM text is.
#[derive(Clone)]
pub(crate) enum PemSource {
    File(PathBuf),
    Memory(Arc<[u8]>),
}

impl PemSource {
    pub(crate) fn origin(&self) -> PemOrigin {
        match self {
            Self::File(path) => PemOrigin::File(path.clone()),
            Self::Memory(_) => PemOrigin::Memory,
        }
    }
}

impl CertificateSource {
    /// The certificate chain and the private key in these files. They may be one file.
    pub fn pem_files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { certificate: PemSource::File(certificate.into()), key: PemSource::File(key.into()) }
    }

    /// The certificate chain and the private key in these PEM texts.
    pub fn pem(certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        Self {
            certificate: PemSource::Memory(certificate.as_ref().into()),
            key: PemSource::Memory(key.as_ref().into()),
        }
    }
}

/// Without the PEM text, which has the private key.
impl fmt::Debug for CertificateSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { certificate, key } = self;
        write!(f, "CertificateSource({}, {})", certificate.origin(), key.origin())
    }
}

/// A certificate that a server can use, with its names.
pub(crate) struct Certificate {
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) names: Vec<String>,
}

/// Makes a certificate from the PEM texts of its source.
pub(crate) fn certificate(
    provider: &CryptoProvider,
    (certificate_origin, certificate_pem): (&PemOrigin, &[u8]),
    (key_origin, key_pem): (&PemOrigin, &[u8]),
) -> Result<Certificate, TlsError> {
    let chain = pem::certificates(certificate_origin, certificate_pem)?;
    let key = pem::private_key(key_origin, key_pem)?;
    let first = &chain[0];
    let names = names(&first.value).map_err(|reason| TlsError::InvalidCertificate {
        origin: certificate_origin.clone(),
        line: first.line,
        reason,
    })?;
    let line = key.line;
    let key = provider.key_provider.load_private_key(key.value).map_err(|error| {
        TlsError::UnusableKey { origin: key_origin.clone(), line, reason: error.to_string() }
    })?;
    // rustls cannot compare a key whose type does not return its public half. All keys of ring do.
    let belongs = |to: &PemItem<CertificateDer<'static>>| {
        CertifiedKey::new(vec![to.value.clone()], Arc::clone(&key)).keys_match().is_ok()
    };
    if !belongs(first) {
        return Err(match chain.iter().skip(1).find(|one| belongs(one)) {
            Some(later) => TlsError::WrongOrder {
                certificate: certificate_origin.clone(),
                line: later.line,
                key: key_origin.clone(),
            },
            None => TlsError::KeyMismatch {
                certificate: certificate_origin.clone(),
                line: first.line,
                key: key_origin.clone(),
            },
        });
    }
    let chain = chain.into_iter().map(|one| one.value).collect();
    Ok(Certificate { key: Arc::new(CertifiedKey::new(chain, key)), names })
}

/// The DNS names of a certificate, in lower case.
fn names(certificate: &CertificateDer<'_>) -> Result<Vec<String>, String> {
    let parsed = EndEntityCert::try_from(certificate).map_err(|error| error.to_string())?;
    Ok(parsed.valid_dns_names().map(str::to_ascii_lowercase).collect())
}

/// Chooses a certificate by the name that the client asks for (SNI). The first certificate is the
/// default, also for clients that ask for no name.
pub(crate) struct CertificatesByName {
    default: Arc<CertifiedKey>,
    /// Names, and wildcards without their `*.`, in lower case. Empty for a single certificate.
    exact: HashMap<Box<str>, Arc<CertifiedKey>>,
    wildcards: HashMap<Box<str>, Arc<CertifiedKey>>,
}

impl CertificatesByName {
    /// If several certificates have a name, the first of them has it.
    pub(crate) fn new(certificates: Vec<Certificate>) -> Option<Self> {
        let default = Arc::clone(&certificates.first()?.key);
        let mut by_name = Self { default, exact: HashMap::new(), wildcards: HashMap::new() };
        if certificates.len() == 1 {
            return Some(by_name);
        }
        for Certificate { key, names } in certificates {
            for name in names {
                let (map, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut by_name.wildcards, parent),
                    None => (&mut by_name.exact, &*name),
                };
                map.entry(name.into()).or_insert_with(|| Arc::clone(&key));
            }
        }
        Some(by_name)
    }

    fn find(&self, name: Option<&str>) -> &Arc<CertifiedKey> {
        let found = name.filter(|_| !self.exact.is_empty() || !self.wildcards.is_empty()).and_then(
            |name| {
                let name = name.to_ascii_lowercase();
                let parent = || name.split_once('.').and_then(|(_, up)| self.wildcards.get(up));
                self.exact.get(&*name).or_else(parent)
            },
        );
        found.unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for CertificatesByName {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(self.find(client_hello.server_name())))
    }
}

impl fmt::Debug for CertificatesByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { exact, wildcards, .. } = self;
        f.debug_struct("CertificatesByName")
            .field("exact", &exact.keys())
            .field("wildcards", &wildcards.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::ring;

    use super::*;

    /// A certificate and its key for these names.
    fn signed(names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).expect("valid names");
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn read(certificate: &str, key: &str) -> Result<Certificate, TlsError> {
        let [cert_file, key_file] =
            ["cert.pem", "key.pem"].map(|name| PemOrigin::File(name.into()));
        self::certificate(
            &ring::default_provider(),
            (&cert_file, certificate.as_bytes()),
            (&key_file, key.as_bytes()),
        )
    }

    #[test]
    fn the_names_come_from_the_certificate() {
        let (certificate, key) = signed(&["A.example", "*.b.example"]);
        let read = read(&certificate, &key).expect("a pair");
        assert_eq!(read.names, ["a.example", "*.b.example"]);
    }

    #[test]
    fn a_key_of_another_certificate_and_a_wrong_order_are_told_apart() {
        let [(one, one_key), (other, _)] = [signed(&["a"]), signed(&["b"])];
        let error = read(&other, &one_key).err().expect("another key").to_string();
        let expect = "the private key in `key.pem` does not belong to the certificate in line 1 of `cert.pem`;";
        assert!(error.starts_with(expect), "{error}");
        let error = read(&format!("{other}{one}"), &one_key).err().expect("wrong order");
        let line = other.lines().count() + 1;
        assert!(
            matches!(error, TlsError::WrongOrder { line: found, .. } if found == line),
            "{error}"
        );
    }

    #[test]
    fn a_certificate_or_key_of_wrong_bytes_is_an_error_with_its_line() {
        let (certificate, key) = signed(&["a"]);
        let wrong =
            |label: &str| format!("\n-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        let error = read(&wrong("CERTIFICATE"), &key).err().expect("no certificate");
        assert!(matches!(error, TlsError::InvalidCertificate { line: 2, .. }), "{error}");
        for label in ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"] {
            let error = read(&certificate, &wrong(label)).err().expect("no key");
            assert!(matches!(error, TlsError::UnusableKey { line: 2, .. }), "{error}");
        }
    }

    #[test]
    fn an_exact_name_goes_before_a_wildcard_and_the_first_certificate_is_the_default() {
        let certificates: Vec<Certificate> =
            [&["a.example"][..], &["*.b.example"], &["x.b.example", "*.b.example"]]
                .map(|names| {
                    let (certificate, key) = signed(names);
                    read(&certificate, &key).expect("a pair")
                })
                .into();
        let keys: Vec<_> = certificates.iter().map(|one| Arc::clone(&one.key)).collect();
        let by_name = CertificatesByName::new(certificates).expect("certificates");
        for (name, expect) in [
            (None, 0),
            (Some("unknown.example"), 0),
            (Some("a.example"), 0),
            (Some("y.b.example"), 1),
            (Some("X.B.example"), 2),
            // A wildcard stands for exactly one label (RFC 9525, section 6.3).
            (Some("b.example"), 0),
            (Some("z.y.b.example"), 0),
            (Some(""), 0),
        ] {
            assert!(Arc::ptr_eq(by_name.find(name), &keys[expect]), "{name:?}");
        }
    }
}

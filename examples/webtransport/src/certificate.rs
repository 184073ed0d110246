//! A certificate for development that browsers accept by its hash.

use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, KeyPair};
use ring::digest::{SHA256, digest};
use volga::tls::Tls;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate, and its SHA-256 hash for the page's `serverCertificateHashes`.
pub(crate) struct Certificate {
    pub(crate) tls: Tls,
    pub(crate) hash: Vec<u8>,
}

/// Makes a new certificate for `localhost`.
///
/// A browser accepts the hash of a certificate only if its key is ECDSA with P-256, which is what
/// `KeyPair::generate` makes, and if it is valid for two weeks at most.
pub(crate) fn make() -> Result<Certificate, rcgen::Error> {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    let now = SystemTime::now();
    // The clock of the browser's machine may be a little behind.
    params.not_before = (now - DAY / 24).into();
    params.not_after = (now + 13 * DAY).into();
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let hash = digest(&SHA256, certificate.der()).as_ref().to_vec();
    Ok(Certificate { tls: Tls::pem(certificate.pem(), key.serialize_pem()), hash })
}

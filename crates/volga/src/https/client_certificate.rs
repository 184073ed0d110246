//! `ClientCertificate`: what the certificate of the client says.

use std::fmt;

use bytes::Bytes;
use volga_core::{Description, Error, FromRequestParts, OptionalArg, RequestParts};
use volga_http::ConnectionInfo;
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

/// The certificate with which the client has proved who it is, as an argument of a handler.
///
/// The handshake has verified it: one of the authorities of
/// [`require_client_certificates`](crate::tls::Tls::require_client_certificates) or
/// [`request_client_certificates`](crate::tls::Tls::request_client_certificates) has issued it, and
/// the client has its private key. What its holder may do is for your handler to decide.
///
/// Without a certificate the status is 403, and `Option<ClientCertificate>` is `None`.
///
/// ```
/// use volga::{App, http::ClientCertificate, ok};
///
/// let mut app = App::new();
/// app.map_get("/whoami", async |client: ClientCertificate| {
///     ok!("{}, {:?}, {:?}", client.subject(), client.common_name(), client.dns_names())
/// });
/// # app.check().unwrap();
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificate {
    der: Bytes,
    subject: String,
    common_name: Option<String>,
    dns_names: Vec<String>,
}

/// Why a certificate could not be parsed, although the handshake has accepted it.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the certificate of the client cannot be parsed: {reason}; its bytes are in `TlsInfo::client_certificates`"
)]
pub struct ClientCertificateError {
    reason: String,
}

impl ClientCertificate {
    /// Parses a certificate in DER.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not an X.509 certificate.
    pub fn parse(der: Bytes) -> Result<Self, ClientCertificateError> {
        let failed = |reason: String| ClientCertificateError { reason };
        let (rest, certificate) =
            parse_x509_certificate(&der).map_err(|error| failed(error.to_string()))?;
        if !rest.is_empty() {
            return Err(failed("bytes follow it".to_owned()));
        }
        let subject = certificate.subject();
        let common_name = subject.iter_common_name().next();
        let alternative =
            certificate.subject_alternative_name().map_err(|error| failed(error.to_string()))?;
        let dns_names = alternative
            .map(|names| &names.value.general_names[..])
            .unwrap_or_default()
            .iter()
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            })
            .collect();
        Ok(Self {
            subject: subject.to_string(),
            common_name: common_name.and_then(|name| name.as_str().ok()).map(str::to_owned),
            dns_names,
            der: der.clone(),
        })
    }

    /// The bytes of the certificate, in DER.
    #[must_use]
    pub fn der(&self) -> &Bytes {
        &self.der
    }

    /// The whole subject, such as `C=DE, O=Tea, CN=kettle`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The common name (`CN`) in the subject.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// The DNS names for which the certificate was issued.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }
}

impl fmt::Display for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject)
    }
}

impl FromRequestParts for ClientCertificate {
    fn describe(description: &mut Description) {
        description.reads_extensions();
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        match first(parts) {
            Some(der) => Self::parse(der).map_err(Error::server_error),
            None => Err(Error::new(
                http::StatusCode::FORBIDDEN,
                "the connection has no certificate of the client",
            )),
        }
    }
}

/// Absent if the client sent no certificate, or the connection has no TLS.
impl OptionalArg for ClientCertificate {
    fn is_absent(parts: &RequestParts) -> bool {
        first(parts).is_none()
    }
}

fn first(parts: &RequestParts) -> Option<Bytes> {
    let info: &ConnectionInfo = parts.extensions.get()?;
    info.tls()?.client_certificates.first().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(subject: &[(rcgen::DnType, &str)], names: &[&str]) -> Bytes {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, text) in subject {
            params.distinguished_name.push(kind.clone(), *text);
        }
        let key = rcgen::KeyPair::generate().unwrap();
        Bytes::copy_from_slice(params.self_signed(&key).unwrap().der())
    }

    #[test]
    fn the_subject_and_the_names_are_read() {
        use rcgen::DnType::{CommonName, CountryName, OrganizationName};
        let subject = [(CountryName, "DE"), (OrganizationName, "Tea"), (CommonName, "Käthe")];
        let client =
            ClientCertificate::parse(der(&subject, &["a.example", "192.0.2.1", "b.example"]));
        let client = client.unwrap();
        assert_eq!(client.subject(), "C=DE, O=Tea, CN=Käthe");
        assert_eq!(client.common_name(), Some("Käthe"));
        assert_eq!(client.dns_names(), ["a.example", "b.example"]);
        let bare = ClientCertificate::parse(der(&[], &[])).unwrap();
        assert_eq!((bare.subject(), bare.common_name()), ("", None));
    }

    #[test]
    fn every_cut_of_a_certificate_is_an_error() {
        let der = der(&[(rcgen::DnType::CommonName, "a")], &["a.example"]);
        for end in 0..der.len() {
            assert!(ClientCertificate::parse(der.slice(..end)).is_err(), "{end} bytes");
        }
        let longer = [&der[..], b"0"].concat();
        assert!(ClientCertificate::parse(longer.into()).is_err());
    }
}

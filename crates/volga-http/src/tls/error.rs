//! Why certificates and keys could not be used.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where a certificate or a key comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PemOrigin {
    /// A file.
    File(PathBuf),
    /// A text that the program passed.
    Memory,
}

impl fmt::Display for PemOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "`{}`", path.display()),
            Self::Memory => f.write_str("the PEM text that the program passed"),
        }
    }
}

/// Why certificates or keys could not be used. Each message names the file and the line, and says
/// what to do.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file could not be read.
    #[error("cannot read `{}`: {source}; check the path, and that the program may read the file", path.display())]
    Read {
        /// The path as given.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The file is larger than [`MAX_PEM_BYTES`](crate::limits::MAX_PEM_BYTES), or is not a file.
    #[error("`{}` has more than 1 MiB, so it is not a file of certificates; check the path", path.display())]
    TooLarge {
        /// The path as given.
        path: PathBuf,
    },
    /// No section of the PEM text is a certificate.
    #[error("{origin} has no certificate: {found}; pass a PEM file with a section `CERTIFICATE`")]
    NoCertificate {
        /// Where the text comes from.
        origin: PemOrigin,
        /// The thing that the text contains instead.
        found: String,
    },
    /// No section of the PEM text is a private key.
    #[error(
        "{origin} has no private key: {found}; pass a PEM file with a section `PRIVATE KEY`, `EC PRIVATE KEY` or `RSA PRIVATE KEY`"
    )]
    NoKey {
        /// Where the text comes from.
        origin: PemOrigin,
        /// The thing that the text contains instead.
        found: String,
    },
    /// There are several private keys, and it is not clear which of them is meant.
    #[error(
        "{origin} has {count} private keys; keep the one that belongs to the certificate, and remove the others"
    )]
    SeveralKeys {
        /// Where the text comes from.
        origin: PemOrigin,
        /// How many keys there are.
        count: usize,
    },
    /// The private key is encrypted with a passphrase.
    #[error(
        "the private key in line {line} of {origin} is encrypted; decrypt it, for example with `openssl pkey -in ENCRYPTED -out PLAIN`, and let only the server read the result"
    )]
    EncryptedKey {
        /// Where the text comes from.
        origin: PemOrigin,
        /// The line where the key begins.
        line: usize,
    },
    /// A section of the PEM text is damaged.
    #[error(
        "the section `{label}` in line {line} of {origin} is damaged: {reason}; copy the file again, with its lines `-----BEGIN` and `-----END`"
    )]
    Damaged {
        /// Where the text comes from.
        origin: PemOrigin,
        /// The line where the section begins.
        line: usize,
        /// The name of the section, such as `CERTIFICATE`.
        label: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate cannot be parsed.
    #[error(
        "the certificate in line {line} of {origin} is not valid: {reason}; ask its issuer for a new one"
    )]
    InvalidCertificate {
        /// Where the text comes from.
        origin: PemOrigin,
        /// The line where the certificate begins.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The kind of the private key is not supported.
    #[error(
        "the private key in line {line} of {origin} cannot be used: {reason}; use an ECDSA key (P-256 or P-384), an Ed25519 key, or an RSA key of 2,048 to 8,192 bits"
    )]
    UnusableKey {
        /// Where the text comes from.
        origin: PemOrigin,
        /// The line where the key begins.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The private key belongs to another certificate.
    #[error(
        "the private key in {key} does not belong to the certificate in line {line} of {certificate}; pass the key with which this certificate was requested"
    )]
    KeyMismatch {
        /// Where the certificate comes from.
        certificate: PemOrigin,
        /// The line where the certificate begins.
        line: usize,
        /// Where the key comes from.
        key: PemOrigin,
    },
    /// The private key belongs to a later certificate of the chain.
    #[error(
        "the private key in {key} belongs to the certificate in line {line} of {certificate}, which is not the first; put the server's own certificate first, and after it the certificates of its issuers"
    )]
    WrongOrder {
        /// Where the certificates come from.
        certificate: PemOrigin,
        /// The line where the certificate of the key begins.
        line: usize,
        /// Where the key comes from.
        key: PemOrigin,
    },
    /// A further certificate has no name for which a client could ask.
    #[error(
        "the certificate in {origin} has no DNS name, so no client could ask for it; request it with its names, or pass it first, as the default"
    )]
    NoName {
        /// Where the certificate comes from.
        origin: PemOrigin,
    },
    /// The certificates that verify clients cannot be used.
    #[error(
        "the certificates for clients in {origin} cannot be used: {reason}; pass the certificate of the authority that issues the certificates of your clients"
    )]
    ClientRoots {
        /// Where the certificates come from.
        origin: PemOrigin,
        /// What is wrong with them.
        reason: String,
    },
    /// A line of the file of ticket keys is not a key.
    #[error(
        "line {line} of `{}` is not a ticket key; write 64 hexadecimal digits, for example those of `openssl rand -hex 32`",
        path.display()
    )]
    TicketKey {
        /// The path as given.
        path: PathBuf,
        /// The number of the line.
        line: usize,
    },
    /// There is no ticket key, or there are more than
    /// [`MAX_TICKET_KEYS`](crate::limits::MAX_TICKET_KEYS).
    #[error("there are {count} ticket keys; pass at least 1 and at most 16, with the newest first")]
    TicketKeyCount {
        /// How many keys there are.
        count: usize,
    },
    /// A setting has no effect on a `rustls::ServerConfig` that the program made itself, or on the
    /// development certificate.
    #[error("`{setting}` has no effect together with `{source_of}`; {advice}")]
    WithoutEffect {
        /// The name of the setting.
        setting: &'static str,
        /// The function with which the settings began.
        source_of: &'static str,
        /// What to do instead.
        advice: &'static str,
    },
    /// The development certificate could not be made or stored.
    #[error(
        "cannot make the development certificate: {reason}; pass a certificate by `Tls::pem_files`"
    )]
    Development {
        /// What failed.
        reason: String,
    },
    /// rustls refused the configuration.
    #[error("TLS cannot be configured: {reason}; please report this, with your certificate")]
    Config {
        /// The error of rustls.
        reason: String,
    },
}

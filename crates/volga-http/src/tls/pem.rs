//! Certificates and keys in PEM text (RFC 7468). Pure.

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::tls::error::{PemOrigin, TlsError};

/// One section of a PEM text, from its `-----BEGIN` line to the next one.
#[derive(Clone, Copy, Debug)]
struct Section<'a> {
    /// The number of its first line.
    line: usize,
    label: &'a str,
    text: &'a [u8],
}

/// A value and the line where it begins.
#[derive(Clone, Debug)]
pub(crate) struct PemItem<T> {
    pub(crate) line: usize,
    pub(crate) value: T,
}

const CERTIFICATE: &str = "CERTIFICATE";
const ENCRYPTED_KEY: &str = "ENCRYPTED PRIVATE KEY";
/// OpenSSL's older way to encrypt a key, whose section is called like that of a plain key.
const ENCRYPTED_FIELD: &[u8] = b"Proc-Type: 4,ENCRYPTED";
const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";

/// Reads the certificates of a text, at least one, in their order.
pub(crate) fn certificates(
    origin: &PemOrigin,
    pem: &[u8],
) -> Result<Vec<PemItem<CertificateDer<'static>>>, TlsError> {
    let sections = sections(pem);
    let certificates: Vec<_> = sections
        .iter()
        .filter(|section| section.label == CERTIFICATE)
        .map(|section| {
            let value = CertificateDer::from_pem_slice(section.text)
                .map_err(|error| section_error(origin, section, &error))?;
            Ok(PemItem { line: section.line, value })
        })
        .collect::<Result<_, TlsError>>()?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate {
            origin: origin.clone(),
            found: describe_sections(&sections),
        });
    }
    Ok(certificates)
}

/// Reads the only private key of a text.
pub(crate) fn private_key(
    origin: &PemOrigin,
    pem: &[u8],
) -> Result<PemItem<PrivateKeyDer<'static>>, TlsError> {
    let sections = sections(pem);
    let mut keys = sections.iter().filter(|section| section.label.ends_with("PRIVATE KEY"));
    let Some(section) = keys.next() else {
        return Err(TlsError::NoKey {
            origin: origin.clone(),
            found: describe_sections(&sections),
        });
    };
    let others = keys.count();
    if others > 0 {
        return Err(TlsError::SeveralKeys { origin: origin.clone(), count: others + 1 });
    }
    let is_encrypted = section.label == ENCRYPTED_KEY
        || section.text.windows(ENCRYPTED_FIELD.len()).any(|part| part == ENCRYPTED_FIELD);
    if is_encrypted {
        return Err(TlsError::EncryptedKey { origin: origin.clone(), line: section.line });
    }
    match PrivateKeyDer::from_pem_slice(section.text) {
        Ok(value) => Ok(PemItem { line: section.line, value }),
        Err(PemError::NoItemsFound) => Err(TlsError::UnusableKey {
            origin: origin.clone(),
            line: section.line,
            reason: format!("a section `{}` is not supported", section.label),
        }),
        Err(error) => Err(section_error(origin, section, &error)),
    }
}

fn sections(pem: &[u8]) -> Vec<Section<'_>> {
    let mut found: Vec<(usize, usize, &str)> = Vec::new();
    let mut offset = 0;
    for (index, line) in pem.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let text = line.trim_ascii();
        let label = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(DASHES));
        if let Some(label) = label {
            found.push((index + 1, offset, std::str::from_utf8(label).unwrap_or("?")));
        }
        offset += line.len();
    }
    let ends = found.iter().skip(1).map(|&(_, offset, _)| offset).chain([pem.len()]);
    let ends: Vec<usize> = ends.collect();
    found
        .into_iter()
        .zip(ends)
        .map(|((line, offset, label), end)| Section { line, label, text: &pem[offset..end] })
        .collect()
}

/// Says what a text has, for an error that misses something.
fn describe_sections(sections: &[Section<'_>]) -> String {
    if sections.is_empty() {
        return "it has no line that begins with `-----BEGIN`".to_owned();
    }
    let names: Vec<_> = sections
        .iter()
        .take(3)
        .map(|section| format!("`{}` in line {}", section.label, section.line))
        .collect();
    let more = if sections.len() > names.len() { " and more" } else { "" };
    format!("it has {}{more}", names.join(", "))
}

fn section_error(origin: &PemOrigin, section: &Section<'_>, error: &PemError) -> TlsError {
    let reason = match error {
        PemError::MissingSectionEnd { .. } => "its `-----END` line is missing".to_owned(),
        PemError::Base64Decode(_) => "it is not Base64".to_owned(),
        other => other.to_string(),
    };
    TlsError::Damaged {
        origin: origin.clone(),
        line: section.line,
        label: section.label.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

    fn file() -> PemOrigin {
        PemOrigin::File("a.pem".into())
    }

    fn certificate_error(pem: &str) -> String {
        certificates(&file(), pem.as_bytes()).expect_err("it is wrong").to_string()
    }

    fn key_error(pem: &str) -> String {
        private_key(&file(), pem.as_bytes()).expect_err("it is wrong").to_string()
    }

    #[test]
    fn certificates_are_read_in_order_with_their_lines_whatever_stands_between_them() {
        for between in ["", "\n", "subject=CN = a\nissuer=CN = b\n", KEY, "\r\n\r\n"] {
            let pem = format!("{CERTIFICATE}{between}{CERTIFICATE}");
            let read = certificates(&file(), pem.as_bytes()).expect("two certificates");
            let lines: Vec<_> = read.iter().map(|one| one.line).collect();
            assert_eq!(lines, [1, 4 + between.lines().count()], "{between:?}");
        }
        let windows = CERTIFICATE.replace('\n', "\r\n");
        assert_eq!(certificates(&file(), windows.as_bytes()).expect("one").len(), 1);
    }

    #[test]
    fn a_text_without_a_certificate_says_what_it_has_instead() {
        assert_eq!(
            certificate_error(KEY),
            "`a.pem` has no certificate: it has `PRIVATE KEY` in line 1; pass a PEM file with a section `CERTIFICATE`"
        );
        for pem in ["", "\n", "not PEM", "\0\u{1}", "-----BEGIN", "-----BEGIN -----x"] {
            let error = certificate_error(pem);
            assert!(error.contains("no line that begins with `-----BEGIN`"), "{pem:?}: {error}");
        }
        assert!(certificate_error(&KEY.repeat(5)).contains("and more"));
    }

    /// Every cut of a text is read as an error that names a line, and never as something else.
    #[test]
    fn a_text_that_was_cut_is_an_error_with_the_line_of_the_section() {
        let pem = format!("{CERTIFICATE}\n{CERTIFICATE}");
        let whole = pem.trim_end().len();
        for end in 0..whole {
            let cut = &pem[..end];
            match certificates(&file(), cut.as_bytes()) {
                // The first certificate is whole, and the second does not begin to be one.
                Ok(read) => assert_eq!(read.len(), 1, "{cut:?}"),
                Err(TlsError::Damaged { line, label, .. }) => {
                    assert_eq!(label, "CERTIFICATE");
                    assert!(line == 1 || line == 5, "{cut:?}: {line}");
                }
                Err(TlsError::NoCertificate { .. }) => {
                    assert!(end < "-----BEGIN CERTIFICATE-----".len(), "{cut:?}");
                }
                Err(error) => panic!("{cut:?}: {error}"),
            }
        }
    }

    #[test]
    fn a_section_that_is_not_base64_is_named() {
        let error = certificate_error(&format!("{KEY}{}", CERTIFICATE.replace("AAAA", "A?A?")));
        assert!(error.starts_with("the section `CERTIFICATE` in line 4 of `a.pem`"), "{error}");
        assert!(error.contains("it is not Base64"), "{error}");
    }

    #[test]
    fn an_encrypted_key_is_named_and_the_message_says_how_to_decrypt_it() {
        let pkcs8 = KEY.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let older = KEY
            .replace("PRIVATE KEY", "RSA PRIVATE KEY")
            .replace("AAAA", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA");
        for key in [pkcs8, older] {
            let error = key_error(&format!("{CERTIFICATE}{key}"));
            assert!(error.contains("in line 4 of `a.pem` is encrypted"), "{error}");
            assert!(error.contains("openssl pkey"), "{error}");
        }
    }

    #[test]
    fn a_key_of_an_unknown_kind_and_several_keys_are_refused() {
        let error = key_error(&KEY.replace("PRIVATE KEY", "OPENSSH PRIVATE KEY"));
        assert!(error.contains("`OPENSSH PRIVATE KEY` is not supported"), "{error}");
        assert!(key_error(&KEY.repeat(2)).contains("has 2 private keys"));
        assert!(key_error(CERTIFICATE).contains("it has `CERTIFICATE` in line 1"));
    }
}

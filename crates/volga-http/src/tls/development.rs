//! A certificate for this machine, for development.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair};

use crate::tls::certificates::CertificateSource;
use crate::tls::error::TlsError;
use crate::tls::server_config::{ConfigSource, Contents};
use crate::tls::tickets::TicketKeys;

const FOLDER: &str = "volga-dev-certificate";
/// The names of the machine for itself.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Reads the development certificate of this machine, or makes it. Returns where it is.
///
/// # Errors
///
/// Fails in a release build, and if the certificate cannot be stored.
pub(crate) fn source() -> Result<ConfigSource, TlsError> {
    if !cfg!(debug_assertions) {
        let reason = "this is a release build, and nobody has signed that certificate".to_owned();
        return Err(TlsError::Development { reason });
    }
    let folder = cache_folder().ok_or_else(|| TlsError::Development {
        reason: "the user has no folder for caches; set XDG_CACHE_HOME or HOME".to_owned(),
    })?;
    let (source, is_new) = source_in(&folder)?;
    let made = if is_new { "made and stored" } else { "read" };
    let line = format!(
        "HTTPS uses a development certificate that was {made} in {}. Browsers warn of it. Never use it in production.\n",
        folder.display()
    );
    let _ = std::io::stderr().write_all(line.as_bytes());
    Ok(source)
}

fn cache_folder() -> Option<PathBuf> {
    let variable =
        |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME")
        .or_else(|| variable("LOCALAPPDATA"))
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join(FOLDER))
}

/// The same in a given folder. Also returns whether the certificate was made.
fn source_in(folder: &Path) -> Result<(ConfigSource, bool), TlsError> {
    // One file for both, so that two programs that start at the same time cannot mix theirs.
    let path = folder.join("localhost.pem");
    let source = ConfigSource {
        certificates: vec![CertificateSource::pem_files(&path, &path)],
        client_auth: None,
        tickets: TicketKeys::Random,
    };
    let is_usable = Contents::read(&source).is_ok_and(|contents| contents.is_usable());
    if is_usable {
        return Ok((source, false));
    }
    make(folder, &path).map_err(|reason| TlsError::Development { reason })?;
    Ok((source, true))
}

fn make(folder: &Path, path: &Path) -> Result<(), String> {
    let text = |error: rcgen::Error| error.to_string();
    let mut params = CertificateParams::new(NAMES.map(str::to_owned)).map_err(text)?;
    params.distinguished_name.push(rcgen::DnType::CommonName, "Volga development certificate");
    let pair = KeyPair::generate().map_err(text)?;
    let signed = params.self_signed(&pair).map_err(text)?;
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(failed)?;
    write_private(path, &(signed.pem() + &pair.serialize_pem())).map_err(failed)
}

/// Writes a file that only this user can read. It is complete at once, also if two programs start
/// at the same time.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(text.as_bytes())?;
    fs::rename(temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn it_is_made_once_only_the_user_can_read_it_and_a_damaged_one_is_made_again() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("volga-dev-{}", std::process::id()));
        let path = folder.join("localhost.pem");
        assert!(source_in(&folder).expect("a folder").1, "it is made");
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let made = fs::read_to_string(&path).expect("a file");
        assert!(!source_in(&folder).expect("a folder").1, "it is read");
        fs::write(&path, &made[..made.len() / 2]).expect("a file");
        assert!(source_in(&folder).expect("a folder").1, "it is made again");
        assert_ne!(fs::read_to_string(&path).expect("a file"), made);
        fs::remove_dir_all(folder).expect("the folder of this test");
    }
}

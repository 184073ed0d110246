//! The text of a bind target: its parser, and what is wrong with a malformed one. Pure.

use std::net::{IpAddr, SocketAddr};
#[cfg(unix)]
use std::path::PathBuf;

/// A target that was checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum TargetKind {
    Address(SocketAddr),
    Localhost(u16),
    Name {
        host: String,
        port: u16,
    },
    #[cfg(unix)]
    Unix {
        path: PathBuf,
        mode: Option<u32>,
    },
    #[cfg(unix)]
    Inherited,
}

/// The fault in the text of a target. [`BindError`](crate::BindError) has a variant of the
/// same name for each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TargetTextError {
    /// It has no port.
    MissingPort,
    /// It has only a port.
    MissingHost,
    /// Its port is not a number from 0 to 65535.
    InvalidPort,
    /// It has none of the forms of a target.
    Malformed,
}

/// Parses a target.
pub(crate) fn parse(text: &str) -> Result<TargetKind, TargetTextError> {
    #[cfg(unix)]
    match text.split_once(':') {
        Some(("unix", "")) => return Err(TargetTextError::Malformed),
        Some(("unix", path)) => return Ok(TargetKind::Unix { path: path.into(), mode: None }),
        Some(("inherited", "")) => return Ok(TargetKind::Inherited),
        // A word without its colon looks like a host without its port.
        None if text == "unix" || text == "inherited" => {
            return Err(TargetTextError::Malformed);
        }
        _ => {}
    }
    if let Ok(address) = text.parse() {
        return Ok(TargetKind::Address(address));
    }
    if is_ip(text) {
        return Err(TargetTextError::MissingPort);
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(if port_of(text).is_some() {
            TargetTextError::MissingHost
        } else if is_name(text) {
            TargetTextError::MissingPort
        } else {
            TargetTextError::Malformed
        });
    };
    if host.is_empty() && port_of(port).is_some() {
        return Err(TargetTextError::MissingHost);
    }
    if !is_name(host) && !is_ip(host) {
        return Err(TargetTextError::Malformed);
    }
    if port.is_empty() {
        return Err(TargetTextError::MissingPort);
    }
    let Some(port) = port_of(port) else {
        return Err(
            if host.eq_ignore_ascii_case("unix")
                || port.contains(|c: char| c == '/' || c.is_whitespace())
            {
                TargetTextError::Malformed
            } else {
                TargetTextError::InvalidPort
            },
        );
    };
    if is_ip(host) {
        // Without brackets, `::1:80` can be an address, or an address with a port. The user must
        // say which.
        return Err(TargetTextError::Malformed);
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(TargetKind::Localhost(port));
    }
    Ok(TargetKind::Name { host: host.to_owned(), port })
}

/// Whether a text is a target.
pub(crate) fn is_valid(text: &str) -> bool {
    parse(text).is_ok()
}

/// Parses a port. `parse` alone would accept a sign.
fn port_of(text: &str) -> Option<u16> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// An address with or without brackets.
fn is_ip(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().is_ok()
}

/// Whether the resolver should be asked for this name. Underscores are not allowed in host names,
/// but some networks use them.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_'))
}

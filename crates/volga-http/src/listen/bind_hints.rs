//! The hints in the messages of [`BindError`](crate::BindError): what to write or do instead. Pure.

use std::borrow::Cow;
use std::net::Ipv6Addr;
#[cfg(unix)]
use std::{io, path::Path};

use crate::listen::target_text::is_valid;

/// The port in the hints: the one that a program without a port most likely means.
const PORT: u16 = 7878;

/// Makes the control characters of a text visible, such as the line break at the end of a variable.
pub(crate) fn escape_control(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return text.into();
    }
    let visible = |c: char| {
        if c.is_control() { c.escape_default().to_string() } else { c.to_string() }
    };
    text.chars().map(visible).collect()
}

/// What to write instead of a host without a port.
pub(crate) fn missing_port(target: &str) -> String {
    let host = target.strip_suffix(':').filter(|host| !host.ends_with(':')).unwrap_or(target);
    let host = match host.parse::<Ipv6Addr>() {
        Ok(ip) => format!("[{ip}]"),
        Err(_) => host.to_owned(),
    };
    format!("write `{host}:{PORT}`, or another port")
}

/// What to write instead of a port without a host.
pub(crate) fn missing_host(target: &str) -> String {
    let port = target.trim_start_matches(':');
    format!("write `localhost:{port}` for this machine alone, or `0.0.0.0:{port}` for all")
}

/// What to write instead of a port that is no number.
pub(crate) fn invalid_port(target: &str) -> String {
    let host = target.rsplit_once(':').map_or("", |(host, _)| host);
    let example = format!("{host}:{PORT}");
    if is_valid(&example) {
        format!("write a number, for example `{example}`")
    } else {
        format!("write a number, for example `localhost:{PORT}`")
    }
}

/// What to write instead of a text of another form.
pub(crate) fn malformed(target: &str) -> String {
    let trimmed = target.trim();
    if trimmed != target && is_valid(trimmed) {
        return format!("leave the blanks around it out: write `{trimmed}`");
    }
    #[cfg(unix)]
    if let Some(hint) = unix_or_inherited(target) {
        return hint;
    }
    if let Some((_, rest)) = target.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        let with_port = format!("{host}:{PORT}");
        if let Some(address) = [host, &with_port].into_iter().find(|text| is_valid(text)) {
            return format!("leave the scheme out: write `{address}`");
        }
    }
    if let Some((host, _)) = target.split_once('/')
        && is_valid(host)
    {
        return format!("leave the path out: write `{host}`");
    }
    if let Some(port) = target.strip_prefix("*:")
        && is_valid(&format!("0.0.0.0:{port}"))
    {
        return format!("write `0.0.0.0:{port}` for all IPv4 addresses");
    }
    if let Some((host, port)) = target.rsplit_once(':')
        && is_valid(&format!("[{host}]:{port}"))
    {
        return format!("write `[{host}]:{port}`, with the IPv6 address in brackets");
    }
    if target.starts_with('[') && target.contains('%') {
        return "write the zone as the number of the interface, for example `[fe80::1%2]:7878`"
            .to_owned();
    }
    "write a host and a port, for example `localhost:7878` or `[::1]:7878`".to_owned()
}

/// The hint for a text that looks like a Unix-domain socket, or like inherited sockets.
#[cfg(unix)]
fn unix_or_inherited(target: &str) -> Option<String> {
    let (word, rest) = target.split_once(':').unwrap_or((target, ""));
    if word.eq_ignore_ascii_case("inherited") {
        return Some("write `inherited:` for the sockets that were opened for the process".into());
    }
    if word.eq_ignore_ascii_case("unix") {
        let is_path = !rest.trim().is_empty() && !rest.trim().contains(char::is_control);
        let path = if is_path { rest.trim() } else { "/run/app.sock" };
        return Some(format!("write `unix:{path}`, with the path of the socket"));
    }
    let is_path = ["/", "./", "../"].iter().any(|start| target.starts_with(start));
    is_path
        .then(|| format!("write `unix:{}` for a Unix-domain socket", escape_control(target.trim())))
}

/// Why the system refused a Unix-domain socket at this path, and what to do.
#[cfg(unix)]
pub(crate) fn path_error(path: &Path, source: &io::Error) -> String {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => format!("`{}`", parent.display()),
        _ => "the current directory".to_owned(),
    };
    match source.kind() {
        io::ErrorKind::NotFound => {
            format!("the directory {directory} does not exist; create it or choose another path")
        }
        io::ErrorKind::PermissionDenied => format!(
            "permission denied; run the program as a user who may write to {directory}, or choose \
             another path"
        ),
        io::ErrorKind::NotADirectory => {
            format!("{directory} is not a directory; choose another path")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "the file system is read-only; choose another path".to_owned()
        }
        _ => format!("{source}; choose another path"),
    }
}

//! The proxies, and the part of their configuration that a system's package already has.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use super::client::Protocol;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Program {
    Nginx,
    Haproxy,
    Caddy,
    Apache,
    Varnish,
    Node,
}

/// The settings with which a proxy is started.
pub(crate) struct Setup<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) configuration: &'a str,
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
}

/// The modules that Debian's package enables, and those that the configuration needs.
const APACHE_MODULES: &[&str] = &[
    "mpm_event",
    "authz_core",
    "filter",
    "deflate",
    "headers",
    "http2",
    "proxy",
    "proxy_http",
    "proxy_http2",
];
const APACHE_FOLDERS: &[&str] = &["/usr/lib/apache2/modules", "/usr/lib64/httpd/modules"];

impl Program {
    pub(crate) const ALL: [Self; 6] =
        [Self::Nginx, Self::Haproxy, Self::Caddy, Self::Apache, Self::Varnish, Self::Node];

    /// The name in the guide's tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Caddy => "Caddy",
            Self::Apache => "Apache httpd",
            Self::Varnish => "Varnish",
            Self::Node => "http-proxy-middleware",
        }
    }

    /// The configuration file, as the guide quotes it: its name in `compat/proxies` and its text.
    pub(crate) fn file(self) -> (&'static str, &'static str) {
        match self {
            Self::Nginx => ("nginx.conf", include_str!("../../proxies/nginx.conf")),
            Self::Haproxy => ("haproxy.cfg", include_str!("../../proxies/haproxy.cfg")),
            Self::Caddy => ("Caddyfile", include_str!("../../proxies/Caddyfile")),
            Self::Apache => ("apache.conf", include_str!("../../proxies/apache.conf")),
            Self::Varnish => ("varnish.vcl", include_str!("../../proxies/varnish.vcl")),
            Self::Node => ("dev-proxy.mjs", include_str!("../../proxies/dev-proxy.mjs")),
        }
    }

    /// The environment variable with the program's path, which `cargo xtask proxies` sets.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Nginx => "PROXY_NGINX",
            Self::Haproxy => "PROXY_HAPROXY",
            Self::Caddy => "PROXY_CADDY",
            Self::Apache => "PROXY_APACHE",
            Self::Varnish => "PROXY_VARNISH",
            Self::Node => "COMPAT_NODE",
        }
    }

    /// The first two numbers of the version.
    pub(crate) fn version(self, path: &Path) -> Result<String, String> {
        let text = match self {
            Self::Node => package_version("http-proxy-middleware")?,
            _ => {
                let argument = match self {
                    Self::Varnish => "-V",
                    Self::Caddy => "version",
                    _ => "-v",
                };
                let output = Command::new(path)
                    .arg(argument)
                    .output()
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                [output.stdout, output.stderr]
                    .map(|text| String::from_utf8_lossy(&text).into_owned())
                    .concat()
            }
        };
        short_version(&text).ok_or_else(|| format!("{} has no version in {text:?}", self.name()))
    }

    /// The command that runs the proxy in the foreground, with its files in the folder.
    pub(crate) fn command(self, path: &Path, setup: &Setup<'_>) -> io::Result<Command> {
        let folder = setup.folder;
        let write = |name: &str, text: &str| -> io::Result<PathBuf> {
            let file = folder.join(name);
            fs::write(&file, text).map(|()| file)
        };
        let site = write(self.file().0, setup.configuration)?;
        let mut command = Command::new(path);
        command.current_dir(folder);
        match self {
            Self::Nginx => {
                let main = write("main.conf", &nginx_main(folder, &site))?;
                command.arg("-e").arg(folder.join("error.log")).arg("-p").arg(folder);
                command.arg("-c").arg(main);
            }
            Self::Haproxy => {
                // `-db` keeps it in the foreground.
                command.args(["-db", "-f"]).arg(site);
            }
            Self::Caddy => {
                let global = match setup.protocol {
                    Protocol::Http1 => "",
                    Protocol::Http2 => "\tservers {\n\t\tprotocols h1 h2c\n\t}\n",
                };
                let all = format!("{{\n\tadmin off\n{global}}}\n\n{}", setup.configuration);
                let file = write("Caddyfile", &all)?;
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
                for name in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
                    command.env(name, folder);
                }
            }
            Self::Apache => {
                let main = write("main.conf", &apache_main(folder, &site))?;
                command.arg("-f").arg(main).args(["-D", "FOREGROUND"]);
            }
            Self::Varnish => {
                command.args(["-F", "-a", &format!("127.0.0.1:{}", setup.port)]);
                command.arg("-f").arg(site).arg("-n").arg(folder.join("varnish"));
                command.args(["-s", "malloc,16m", "-T", "none", "-j", "none"]);
                if setup.protocol == Protocol::Http2 {
                    command.args(["-p", "feature=+http2"]);
                }
            }
            Self::Node => {
                // The program is an argument, because node looks for the packages of a file beside
                // that file, and for those of an argument in the current folder.
                command.current_dir(env!("CARGO_MANIFEST_DIR"));
                command.args(["--input-type=module", "--eval", setup.configuration]);
            }
        }
        Ok(command)
    }
}

/// The main file, which in a system's package includes the site's.
fn nginx_main(folder: &Path, site: &Path) -> String {
    let folder = folder.display();
    let mut main = format!(
        "daemon off;\nuser root;\nworker_processes 1;\npid {folder}/pid;\n\
         error_log {folder}/error.log;\nevents {{ worker_connections 256; }}\n\
         http {{\n    access_log off;\n"
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        main += &format!("    {kind}_temp_path {folder}/{kind};\n");
    }
    main + &format!("    include {};\n}}\n", site.display())
}

/// The main file, which in a system's package includes the site's.
fn apache_main(folder: &Path, site: &Path) -> String {
    let modules = APACHE_FOLDERS
        .iter()
        .find(|folder| Path::new(folder).is_dir())
        .unwrap_or(&APACHE_FOLDERS[0]);
    let mut main = String::new();
    for module in APACHE_MODULES {
        main += &format!("LoadModule {module}_module {modules}/mod_{module}.so\n");
    }
    let folder = folder.display();
    main + &format!(
        "ServerName localhost\nServerRoot {folder}\nPidFile {folder}/pid\nErrorLog {folder}/error.log\n\
         DefaultRuntimeDir {folder}\nMutex file:{folder} default\nUser www-data\nGroup www-data\n\
         StartServers 1\nThreadsPerChild 16\nMaxRequestWorkers 16\nServerLimit 1\nMinSpareThreads 1\n\
         MaxSpareThreads 16\nInclude {}\n",
        site.display()
    )
}

fn package_version(name: &str) -> Result<String, String> {
    let path = format!("{}/node_modules/{name}/package.json", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let manifest: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
    Ok(manifest["version"].as_str().unwrap_or_default().to_owned())
}

/// The first two numbers of the first version in a text. Later numbers change with each security
/// update of a distribution.
fn short_version(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
        let mut numbers = word.split('.').filter(|number| !number.is_empty());
        Some(format!("{}.{}", numbers.next()?, numbers.next()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_two_numbers() {
        for (text, expect) in [
            ("nginx version: nginx/1.22.1\n", Some("1.22")),
            ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/", Some("2.6")),
            ("Server version: Apache/2.4.71 (Debian)", Some("2.4")),
            ("varnishd (varnish-7.1.1 revision 7cee1c58)", Some("7.1")),
            ("v2.6.2 h1:abc=", Some("2.6")),
            ("4.2.2", Some("4.2")),
            ("none", None),
        ] {
            assert_eq!(short_version(text).as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn each_file_names_both_ports() {
        for program in Program::ALL {
            let (name, text) = program.file();
            assert!(text.contains("7878"), "{name}");
            // Varnish gets its own port as an argument.
            assert!(
                program == Program::Varnish
                    || text.contains("127.0.0.1:8080")
                    || text.contains("8080,"),
                "{name}"
            );
        }
    }
}

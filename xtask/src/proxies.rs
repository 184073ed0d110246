//! Runs the part of `compat/` that puts proxies in front of our streams.

use std::path::{Path, PathBuf};

use crate::{
    compat,
    tools::{self, Failure, find_program},
    workspace::Workspace,
};

/// The page of the guide that the run writes: tables, and the configuration files.
const PAGE: &str = "docs/src/behind-a-proxy.md";

/// A proxy that the run starts.
struct Proxy {
    /// The environment variable with the path of its program.
    variable: &'static str,
    /// The names that its program has.
    programs: &'static [&'static str],
    /// Debian's package with the program.
    package: &'static str,
}

const PROXIES: &[Proxy] = &[
    Proxy { variable: "PROXY_NGINX", programs: &["nginx"], package: "nginx" },
    Proxy { variable: "PROXY_HAPROXY", programs: &["haproxy"], package: "haproxy" },
    Proxy { variable: "PROXY_CADDY", programs: &["caddy"], package: "caddy" },
    Proxy { variable: "PROXY_APACHE", programs: &["apache2", "httpd"], package: "apache2-bin" },
    Proxy { variable: "PROXY_VARNISH", programs: &["varnishd"], package: "varnish" },
];
/// Where Debian has these programs. The folder may be missing in a person's `PATH`.
const FOLDER: &str = "/usr/sbin";

/// Measures every proxy that this machine can run. In CI no proxy may be skipped.
///
/// The run writes the tables of the guide's page. In CI it only compares them.
///
/// # Errors
/// Fails when a proxy cannot be measured. In CI it also fails when a program is missing, or when a
/// table differs from the page.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let mut measure = compat::command(workspace, "run");
    measure.args(["--", "proxies", if tools::in_ci() { "--check" } else { "--write" }]);
    measure.arg(workspace.root.join(PAGE));
    for proxy in PROXIES {
        let program = compat::required_in_ci("a proxy", find(proxy))?;
        measure.env(proxy.variable, program.unwrap_or_default());
    }
    let node = compat::required_in_ci("a proxy", compat::node(workspace))?;
    measure.env("COMPAT_NODE", node.unwrap_or_default());
    tools::run(&mut measure)
}

fn find(proxy: &Proxy) -> Result<PathBuf, Failure> {
    let in_folder = || {
        let mut paths = proxy.programs.iter().map(|name| Path::new(FOLDER).join(name));
        paths.find(|path| path.is_file())
    };
    find_program(proxy.programs).or_else(in_folder).ok_or_else(|| {
        let Proxy { programs, package, .. } = proxy;
        Failure::new(format!("{} is missing: apt-get install {package}", programs[0]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_exists_and_ci_installs_each_package() {
        let root = Workspace::read().unwrap().root;
        assert!(root.join(PAGE).is_file());
        let script = include_str!("../../.ci/run");
        for proxy in PROXIES {
            assert!(
                script.contains(&format!("packages+=({})", proxy.package)),
                "{}",
                proxy.package
            );
        }
    }

    #[test]
    fn a_missing_program_is_reported_with_its_package() {
        let proxy = Proxy { variable: "", programs: &["no-such-proxy"], package: "a-package" };
        let failure = find(&proxy).expect_err("no such program").to_string();
        assert_eq!(failure, "no-such-proxy is missing: apt-get install a-package");
    }
}

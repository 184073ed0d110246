//! The servers: their names, their abilities, and how to start each of them.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{failure::Failure, tls::TlsListener};

const NCHAN_MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// One server under test.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    kind: Kind,
    /// Whether it serves event streams over HTTP/1. Publishers use HTTP/1 with every server.
    pub(crate) http1: bool,
    pub(crate) http2: bool,
    pub(crate) http3: bool,
    /// Whether it serves `/firehose`. A server without code of ours cannot do that.
    pub(crate) firehose: bool,
    /// Whether it serves `/collect` and `/built`.
    pub(crate) collects: bool,
    /// Whether it has WebSockets.
    pub(crate) web_sockets: bool,
    /// Whether it has a listener with TLS.
    pub(crate) tls: bool,
    /// Whether it has a program for the rows of several nodes.
    pub(crate) nodes: bool,
}

#[derive(Debug)]
enum Kind {
    /// A program of this workspace, in the same folder as the laboratory's own program.
    Ours(&'static str),
    /// Our server at an earlier revision, which `cargo xtask bench --against` has built.
    Before,
    Nginx,
    Node,
}

/// All servers: ours first, now and before, then the peers, the limit last.
pub(crate) const PEERS: &[Peer] = &[
    Peer {
        name: OURS,
        what: "this repository",
        kind: Kind::Ours(OUR_PROGRAM),
        http1: true,
        http2: true,
        http3: true,
        firehose: true,
        collects: true,
        web_sockets: true,
        tls: true,
        nodes: true,
    },
    Peer {
        name: BEFORE,
        what: "this repository at an earlier revision",
        kind: Kind::Before,
        http1: true,
        http2: true,
        http3: true,
        firehose: true,
        collects: true,
        web_sockets: true,
        tls: true,
        nodes: false,
    },
    Peer {
        name: "hyper",
        what: "bare hyper",
        kind: Kind::Ours("bench-hyper"),
        http1: true,
        http2: true,
        http3: false,
        firehose: true,
        collects: true,
        web_sockets: false,
        tls: true,
        nodes: false,
    },
    Peer {
        name: "axum",
        what: "axum",
        kind: Kind::Ours("bench-axum"),
        http1: true,
        http2: true,
        http3: false,
        firehose: true,
        collects: true,
        web_sockets: true,
        tls: false,
        nodes: false,
    },
    Peer {
        name: "actix",
        what: "actix-web with actix-web-lab",
        kind: Kind::Ours("bench-actix"),
        http1: true,
        http2: true,
        http3: false,
        firehose: true,
        collects: false,
        web_sockets: true,
        tls: false,
        nodes: false,
    },
    Peer {
        name: "h3",
        what: "the crate h3 with quinn",
        kind: Kind::Ours("bench-h3"),
        http1: false,
        http2: false,
        http3: true,
        firehose: false,
        collects: false,
        web_sockets: false,
        tls: false,
        nodes: false,
    },
    Peer {
        name: "nchan",
        what: "nginx with nchan",
        kind: Kind::Nginx,
        http1: true,
        http2: false,
        http3: false,
        firehose: false,
        collects: false,
        web_sockets: false,
        tls: true,
        nodes: false,
    },
    Peer {
        name: "better-sse",
        what: "better-sse on Node",
        kind: Kind::Node,
        http1: true,
        http2: false,
        http3: false,
        firehose: true,
        collects: false,
        web_sockets: false,
        tls: false,
        nodes: false,
    },
    Peer {
        name: LIMIT,
        what: "one thread that only sends ready-made bytes",
        kind: Kind::Ours("bench-limit"),
        http1: true,
        http2: false,
        http3: false,
        firehose: false,
        collects: false,
        web_sockets: false,
        tls: false,
        nodes: false,
    },
];

/// The server to which the pass lines apply.
pub(crate) const OURS: &str = "volga";
/// Its program.
pub(crate) const OUR_PROGRAM: &str = "bench-volga";
/// The same server at the revision that `--against` names.
pub(crate) const BEFORE: &str = "before";
/// The server that does as little as possible, so that no other can be faster.
pub(crate) const LIMIT: &str = "limit";

/// The folders of the laboratory.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The folder of the programs that were built with the laboratory.
    pub(crate) programs: PathBuf,
    /// `bench/`
    pub(crate) bench: PathBuf,
    /// The folder for the servers' error output, and for files that are made for them.
    pub(crate) scratch: PathBuf,
    /// The program of our server at an earlier revision, if the run compares with one.
    pub(crate) before: Option<PathBuf>,
}

impl Places {
    pub(crate) fn find() -> Result<Self, Failure> {
        let program = std::env::current_exe()?;
        let programs = program.parent().unwrap_or(Path::new(".")).to_owned();
        let load = Path::new(env!("CARGO_MANIFEST_DIR"));
        let scratch = programs.join("lab-scratch");
        fs::create_dir_all(&scratch)?;
        let bench = load.parent().unwrap_or(load).to_owned();
        Ok(Self { programs, bench, scratch, before: None })
    }
}

impl Peer {
    /// Whether only `--against` asks for it.
    pub(crate) fn is_before(&self) -> bool {
        matches!(self.kind, Kind::Before)
    }

    /// Says what is missing on this machine to run the server.
    pub(crate) fn missing(&self, places: &Places) -> Option<String> {
        match self.kind {
            Kind::Ours(program) => (!places.programs.join(program).exists())
                .then(|| format!("{program} is not built: `cargo xtask bench` builds it")),
            Kind::Before => places.before.is_none().then(|| "`--against` asks for it".to_owned()),
            Kind::Nginx => (!(answers("nginx", "-v") && Path::new(NCHAN_MODULE).exists()))
                .then(|| "it needs Debian's packages nginx and libnginx-mod-nchan".to_owned()),
            Kind::Node => {
                let installed =
                    places.bench.join("servers/better-sse/node_modules/better-sse").exists();
                (!(installed && answers("node", "--version")))
                    .then(|| "it needs Node, and `npm ci` in bench/servers/better-sse".to_owned())
            }
        }
    }

    /// The version of a server that is not in our lock file.
    pub(crate) fn version(&self) -> Option<String> {
        let output = match self.kind {
            Kind::Ours(_) | Kind::Before => return None,
            // nginx writes its version to standard error.
            Kind::Nginx => Command::new("nginx").arg("-v").output().ok()?.stderr,
            Kind::Node => Command::new("node").arg("--version").output().ok()?.stdout,
        };
        Some(String::from_utf8_lossy(&output).trim().to_owned())
    }

    /// The program and its arguments. The port is the last argument, except for nginx, which reads
    /// it from a file.
    pub(crate) fn command(
        &self,
        places: &Places,
        port: u16,
        tls: Option<&TlsListener>,
    ) -> Result<Vec<OsString>, Failure> {
        let port_text = OsString::from(port.to_string());
        Ok(match self.kind {
            Kind::Ours(program) => vec![places.programs.join(program).into(), port_text],
            Kind::Before => {
                let program = places.before.as_ref();
                let missing = || Failure::new("`--against` was not given");
                vec![program.ok_or_else(missing)?.into(), port_text]
            }
            Kind::Nginx => {
                let template = fs::read_to_string(places.bench.join("servers/nchan/nginx.conf"))?;
                let file = places.scratch.join("nginx.conf");
                fs::write(
                    &file,
                    template
                        .replace("@PORT@", &port.to_string())
                        .replace("@MODULE@", NCHAN_MODULE)
                        .replace("@TLS@", &tls.map(nginx_listener).unwrap_or_default()),
                )?;
                let scratch = OsString::from(&places.scratch);
                vec![
                    "nginx".into(),
                    "-p".into(),
                    scratch,
                    "-e".into(),
                    "stderr".into(),
                    "-c".into(),
                    file.into(),
                ]
            }
            Kind::Node => {
                vec![
                    "node".into(),
                    places.bench.join("servers/better-sse/server.mjs").into(),
                    port_text,
                ]
            }
        })
    }
}

/// The lines of a configuration that add the listener with TLS.
fn nginx_listener(tls: &TlsListener) -> String {
    format!(
        "listen {} ssl backlog=1024;\nssl_certificate {};\nssl_certificate_key {};\nssl_protocols TLSv1.3;\n",
        tls.address,
        tls.certificate.display(),
        tls.key.display()
    )
}

fn answers(program: &str, argument: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(argument).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

//! nginx serves the same folder. It is the oracle for conditional and ranged requests.

use std::{
    error::Error,
    fs,
    process::Stdio,
    time::{Duration, UNIX_EPOCH},
};

use tokio::{
    net::TcpListener,
    process::{Child, Command},
    time::sleep,
};

use super::{
    Report, program,
    raw::{Response, request},
    server::{FILES, Server},
};

/// How often a start is waited for, with pauses of 50 ms.
const TRIES: usize = 200;

/// Values of `Range`. A malformed one is not among them: nginx has 416 for it, and we ignore it, as
/// RFC 9110, section 14.2, allows both.
const RANGES: [&str; 17] = [
    "",
    "bytes=0-0",
    "bytes=0-",
    "bytes=5-9",
    "bytes=-1",
    "bytes=-5",
    "bytes=-0",
    "bytes=35-99",
    "bytes=36-",
    "bytes=1000000-",
    "bytes=0-1,4-5",
    "bytes=4-5, 0-1",
    "bytes=0-1,90000000-",
    "bytes=0-20,10-30",
    "bytes=0-3,2-5",
    "bytes=-2,0-0",
    "items=0-1",
];

/// Conditions. `E` is the server's own strong tag, `W` the same as a weak one, `X` another tag, `=`
/// the date of the file, `<` an earlier and `>` a later one.
const CONDITIONS: [&[(&str, &str)]; 26] = [
    &[],
    &[("if-none-match", "E")],
    &[("if-none-match", "W")],
    &[("if-none-match", "X, E")],
    &[("if-none-match", "X")],
    &[("if-none-match", "*")],
    &[("if-match", "E")],
    &[("if-match", "X")],
    &[("if-match", "X, E")],
    &[("if-match", "*")],
    &[("if-match", "W")],
    &[("if-modified-since", "=")],
    &[("if-modified-since", "<")],
    &[("if-unmodified-since", "=")],
    &[("if-unmodified-since", "<")],
    &[("if-unmodified-since", ">")],
    &[("if-modified-since", "no date")],
    &[("if-match", "E"), ("if-none-match", "E")],
    &[("if-match", "X"), ("if-none-match", "E")],
    &[("if-unmodified-since", "<"), ("if-none-match", "E")],
    &[("if-unmodified-since", "="), ("if-modified-since", "=")],
    &[("if-range", "E")],
    &[("if-range", "X")],
    &[("if-range", "=")],
    &[("if-range", "<")],
    &[("if-range", "E"), ("if-none-match", "X")],
];

pub(crate) async fn run(server: &Server) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::default();
    let Some(path) = program("COMPAT_NGINX") else {
        report.skipped.push("nginx");
        return Ok(report);
    };
    let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
    let folder = tempfile::tempdir()?;
    let mut oracle = start(&path, folder.path(), server.folder.path(), port)?;
    let compared = compare_all(&mut report, server, port).await;
    if let Some(id) = oracle.id() {
        // A killed master of nginx would leave its workers behind.
        Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        oracle.wait().await?;
    }
    compared?;
    Ok(report)
}

fn start(
    nginx: &std::path::Path,
    folder: &std::path::Path,
    root: &std::path::Path,
    port: u16,
) -> Result<Child, Box<dyn Error>> {
    let (own, root) = (folder.display(), root.display());
    let mut main = format!(
        "daemon off;\nuser root;\nworker_processes 1;\npid {own}/pid;\nerror_log {own}/error.log;\n\
         events {{}}\nhttp {{\n    access_log off;\n    types {{ text/plain txt; }}\n"
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        main += &format!("    {kind}_temp_path {own}/{kind};\n");
    }
    main += &format!(
        "    server {{ listen 127.0.0.1:{port}; location /static/ {{ alias {root}/; }} }}\n}}\n"
    );
    let path = folder.join("nginx.conf");
    fs::write(&path, main)?;
    let mut command = Command::new(nginx);
    command.arg("-e").arg(folder.join("error.log")).arg("-c").arg(path);
    Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

async fn compare_all(
    report: &mut Report,
    server: &Server,
    port: u16,
) -> Result<(), Box<dyn Error>> {
    for _ in 0..TRIES {
        if request(port, "GET", "/static/one.txt", &[]).await.is_ok() {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    for (name, len) in FILES {
        let path = format!("/static/{name}");
        let tags = [tag_of(server.port, &path).await?, tag_of(port, &path).await?];
        let modified = fs::metadata(server.folder.path().join(name))?.modified()?;
        let modified = modified.duration_since(UNIX_EPOCH)?.as_secs();
        for method in ["GET", "HEAD"] {
            for condition in CONDITIONS {
                for range in RANGES {
                    let case = format!("{method} {name} {condition:?} {range}");
                    let mut both = Vec::new();
                    for (port, tag) in [server.port, port].into_iter().zip(&tags) {
                        let headers = headers(condition, range, tag, modified);
                        let response = request(port, method, &path, &headers).await?;
                        both.push(essence(&response));
                    }
                    // nginx has 200 for a HEAD request with ranges that GET has 206 for, and for
                    // an empty file it ignores ranges: it depends on its version.
                    let skips = (method == "HEAD" || len == 0) && !range.is_empty();
                    if !skips {
                        report.compare(&case, &both[0], &both[1]);
                    }
                }
            }
        }
    }
    let missing = [server.port, port];
    let [ours, theirs] = missing.map(|port| request(port, "GET", "/static/none", &[]));
    report.compare("a missing file", &ours.await?.status, &theirs.await?.status);
    Ok(())
}

async fn tag_of(port: u16, path: &str) -> std::io::Result<String> {
    Ok(request(port, "GET", path, &[]).await?.header("etag").to_owned())
}

fn headers<'a>(
    condition: &[(&'a str, &str)],
    range: &str,
    tag: &str,
    modified: u64,
) -> Vec<(&'a str, String)> {
    let date = |seconds: u64| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    let mut headers: Vec<_> = condition
        .iter()
        .map(|(name, value)| {
            let value = match *value {
                "=" => date(modified),
                "<" => date(modified - 100),
                ">" => date(modified + 30),
                "no date" => "no date".to_owned(),
                tags => {
                    tags.replace('E', tag).replace('W', &format!("W/{tag}")).replace('X', "\"x\"")
                }
            };
            (*name, value)
        })
        .collect();
    if !range.is_empty() {
        headers.push(("range", range.to_owned()));
    }
    headers
}

/// The parts of a response that must be equal: the status, the ranges and the bytes.
fn essence(response: &Response) -> (u16, Vec<(String, Vec<u8>)>) {
    if !matches!(response.status, 200 | 206) {
        let range = response.header("content-range").to_owned();
        return (response.status, vec![(range, Vec::new())]);
    }
    let kind = response.header("content-type");
    let Some(boundary) = kind.strip_prefix("multipart/byteranges; boundary=") else {
        let range = response.header("content-range").to_owned();
        return (response.status, vec![(range, response.body.clone())]);
    };
    (response.status, parts(&response.body, boundary))
}

/// The ranges and the bytes of a multipart body. The bytes of the test files have no line ends.
fn parts(body: &[u8], boundary: &str) -> Vec<(String, Vec<u8>)> {
    let delimiter = format!("--{boundary}");
    let starts: Vec<_> = body
        .windows(delimiter.len())
        .enumerate()
        .filter(|(_, window)| *window == delimiter.as_bytes())
        .map(|(at, _)| at)
        .collect();
    let mut parts = Vec::new();
    for pair in starts.windows(2) {
        let part = &body[pair[0] + delimiter.len()..pair[1]];
        let end = part.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_default();
        let head = String::from_utf8_lossy(&part[..end]).to_ascii_lowercase();
        let range = head.lines().find_map(|line| line.strip_prefix("content-range: "));
        let content = part.get(end + 4..part.len() - 2).unwrap_or_default();
        parts.push((range.unwrap_or_default().to_owned(), content.to_vec()));
    }
    parts
}

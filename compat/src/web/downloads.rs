//! Clients that resume a download.

use std::{error::Error, fs};

use tokio::process::Command;

use super::{
    Report, program,
    server::{Server, content},
};

/// How many bytes came before the download broke.
const BEFORE: usize = 100_000;

pub(crate) async fn run(server: &Server) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::default();
    let url = format!("{}/static/large.bin", server.url);
    let clients: [(&str, &str, &[&str]); 2] = [
        ("curl", "COMPAT_CURL", &["-sS", "-C", "-", "-O", "-w", "%{stderr}%{http_code}"]),
        ("wget", "COMPAT_WGET", &["-S", "-c", "--no-proxy"]),
    ];
    for (name, variable, args) in clients {
        let Some(path) = program(variable) else {
            report.skipped.push(name);
            continue;
        };
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("large.bin");
        let whole = content(300_000);
        fs::write(&file, &whole[..BEFORE])?;
        let output = Command::new(path).current_dir(&folder).args(args).arg(&url).output().await?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        report.compare(name, &output.status.success(), &true);
        report.compare(&format!("{name} got the rest only"), &said.contains("206"), &true);
        report.compare(&format!("{name} has the whole file"), &(fs::read(&file)? == whole), &true);
    }
    Ok(report)
}

//! One form, sent by foreign clients and read by us, and sent by us and read by foreign parsers.

use std::{collections::BTreeMap, error::Error};

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::{Report, program, server::Server};
use crate::program::{Programs, Received, Runtime};

/// A field as our server has read it, or as a foreign parser has.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) file: Option<String>,
    pub(crate) content: Vec<u8>,
}

pub(crate) const TEXT: &str = "ünï\r\n--code \"quoted\"";
pub(crate) const FILE_NAME: &str = "nä me.bin";
pub(crate) const FILE: &[u8] = b"\r\n--boundary\r\n\r\n--\0\xff\r\n";

/// The form, with the name that a client gives to the file.
fn form(file_name: &str) -> Vec<Field> {
    let field = |name: &str, file: Option<&str>, content: &[u8]| Field {
        name: name.to_owned(),
        file: file.map(str::to_owned),
        content: content.to_vec(),
    };
    vec![
        field("text", None, TEXT.as_bytes()),
        field("tag", None, b"a"),
        field("tag", None, b"b"),
        field("file", Some(file_name), FILE),
    ]
}

/// The scripts, and what they need.
const SCRIPTS: [(&str, Runtime, &str); 3] = [
    ("requests, httpx, aiohttp, werkzeug and python-multipart", Runtime::Python, "forms.py"),
    ("undici", Runtime::Node, "forms.mjs"),
    ("Chromium's FormData", Runtime::Chromium, "forms_chromium.mjs"),
];

pub(crate) async fn run(programs: &Programs, server: &Server) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::default();
    for (name, runtime, script) in SCRIPTS {
        let output = programs.run::<Vec<Field>>(runtime, script, &[&server.url]).await?;
        match output {
            Some(output) => check(&mut report, output.cases),
            None => report.skipped.push(name),
        }
    }
    match program("COMPAT_CURL") {
        Some(curl) => {
            let folder = tempfile::tempdir()?;
            std::fs::write(folder.path().join(FILE_NAME), FILE)?;
            let text = format!("text={TEXT}");
            let file = format!("file=@{FILE_NAME}");
            let mut command = Command::new(curl);
            command.current_dir(&folder).args(["--silent", "--show-error", "--form-string", &text]);
            command.args(["-F", "tag=a", "-F", "tag=b", "-F", &file]);
            let output = command.arg(format!("{}/form", server.url)).output().await?;
            let fields: Vec<Field> = serde_json::from_slice(&output.stdout)
                .map_err(|error| format!("curl: {error}: {output:?}"))?;
            report.compare("curl", &fields, &form(FILE_NAME));
        }
        None => report.skipped.push("curl"),
    }
    Ok(report)
}

fn check(report: &mut Report, cases: BTreeMap<String, Received<Vec<Field>>>) {
    for (name, received) in cases {
        let fields = match received {
            Received::Read(fields) => fields,
            Received::Failed { error } => {
                report.checks += 1;
                report.faults.push(format!("{name}: {error}"));
                continue;
            }
        };
        // aiohttp encodes the name, as RFC 7578 allows, and servers do not know whether it did.
        let file_name = if name == "aiohttp" { "n%C3%A4%20me.bin" } else { FILE_NAME };
        report.compare(&name, &fields, &form(file_name));
    }
}

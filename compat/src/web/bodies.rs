//! Generated bodies of forms, which busboy (npm) and our reader read alike.

use std::{collections::BTreeMap, error::Error};

use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use volga::{App, http::Method, multipart::Multipart, ok};

use super::{Report, forms::Field};
use crate::program::{Programs, Received, Runtime};

/// How many bodies are generated.
const BODIES: u64 = 2000;

#[derive(Serialize)]
struct Body {
    boundary: String,
    /// The bytes, in hexadecimal digits.
    bytes: String,
    /// The length of the pieces in which the body comes.
    piece: usize,
}

/// The form that a parser has read.
#[derive(Debug, Deserialize, Eq, PartialEq)]
struct Parsed {
    fields: Vec<Field>,
}

pub(crate) async fn run(programs: &Programs) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::default();
    let bodies: Vec<_> = (0..BODIES).map(generate).collect();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("bodies.json");
    let list: Vec<_> = bodies.iter().map(|(body, _)| body).collect();
    std::fs::write(&path, serde_json::to_vec(&list)?)?;
    let path = path.to_string_lossy();
    let Some(output) =
        programs.run::<Vec<Option<Parsed>>>(Runtime::Node, "busboy.mjs", &[&path]).await?
    else {
        report.skipped.push("busboy");
        return Ok(report);
    };
    let theirs = one(output.cases)?;
    for (seed, ((body, is_valid), theirs)) in bodies.iter().zip(theirs).enumerate() {
        let ours = read(body).await?;
        let name = format!("body {seed}");
        if *is_valid {
            report.compare(&name, &ours, &theirs);
        } else if let (Some(ours), Some(theirs)) = (ours.as_ref(), theirs.as_ref()) {
            // busboy leaves out a part with a malformed header, and goes on. We may have refused
            // the form, or have read the part.
            let mut rest = ours.fields.iter();
            let is_same = theirs.fields.iter().all(|field| rest.any(|other| other == field));
            report.compare(&format!("broken {name}"), &is_same, &true);
        }
        if *is_valid && ours.is_none() {
            report.faults.push(format!("body {seed} is a form, and was refused"));
        }
    }
    Ok(report)
}

fn one<T>(cases: BTreeMap<String, Received<T>>) -> Result<T, String> {
    match cases.into_values().next() {
        Some(Received::Read(value)) => Ok(value),
        Some(Received::Failed { error }) => Err(error),
        None => Err("busboy.mjs printed no case".to_owned()),
    }
}

/// Reads a body with our reader. `None` means that it is refused.
async fn read(body: &Body) -> Result<Option<Parsed>, Box<dyn Error>> {
    let mut app = App::new();
    app.map_post("/", async |mut form: Multipart| {
        let mut fields = Vec::new();
        while let Some(mut part) = form.next().await? {
            let (name, file) = (part.name().to_owned(), part.raw_file_name().map(str::to_owned));
            let content = part.bytes().await?.to_vec();
            fields.push(Field { name, file, content });
        }
        ok!(fields)
    });
    let service = app.into_service()?;
    let bytes = from_hex(&body.bytes);
    let pieces: Vec<_> =
        bytes.chunks(body.piece).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    let request = http::Request::builder()
        .method(Method::POST)
        .uri("/")
        .header("content-type", format!("multipart/form-data; boundary=\"{}\"", body.boundary))
        .body(volga::HttpBody::from_stream(futures_util::stream::iter(pieces)))?;
    let response = service.respond(request).await;
    if response.status() != 200 {
        return Ok(None);
    }
    let bytes = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    Ok(Some(Parsed { fields: serde_json::from_slice(&bytes)? }))
}

/// Generates a body, and says whether it is a complete form.
fn generate(seed: u64) -> (Body, bool) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let boundary =
        (*random.one(&["b", "----WebKitFormBoundary7MA4YWxk", "a'()+_,-./:=?b", "x-0"])).to_owned();
    let mut bytes = Vec::new();
    for number in 0..random.below(5) {
        // busboy drops a part whose boundary is followed by blanks, which RFC 2046 allows.
        bytes.extend(format!("--{boundary}\r\n").bytes());
        let case =
            *random.one(&["Content-Disposition", "content-disposition", "CONTENT-DISPOSITION"]);
        let name = *random.one(&["a", "b[]", "ü", "x y", "n.m"]);
        bytes.extend(format!("{case}: form-data; name=\"{name}{number}\"").bytes());
        if random.below(2) == 1 {
            let file = *random.one(&["f.txt", "ü.bin", "a b", "x;y", "q\\\"q", "%22"]);
            bytes.extend(format!("; filename=\"{file}\"\r\nContent-Type: application/x").bytes());
        }
        if random.below(4) == 0 {
            bytes.extend(b"\r\nX-Other: 1");
        }
        bytes.extend(b"\r\n\r\n");
        for _ in 0..random.below(12) {
            let dashes = format!("\r\n--{}", &boundary[..boundary.len() - 1]);
            let pieces = [
                &b"\r\n"[..],
                &b"\r"[..],
                &b"\n"[..],
                &b"--"[..],
                dashes.as_bytes(),
                &b"text"[..],
                &b"\0"[..],
                &b"\r\n--\r\n"[..],
            ];
            let piece = *random.one(&pieces);
            bytes.extend(piece);
        }
        bytes.extend(b"\r\n");
    }
    bytes.extend(format!("--{boundary}--{}", random.one(&["\r\n", ""])).bytes());
    // Some forms are broken: cut off, or with a byte that was changed.
    let is_valid = random.below(4) > 0;
    if !is_valid {
        let at = random.below(bytes.len() as u64) as usize;
        match random.below(2) {
            0 => bytes.truncate(at),
            _ => bytes[at] = *random.one(&[b'\r', b'\n', b'-', b'"', b';', b'x']),
        }
    }
    let piece = random.below(60) as usize + 1;
    let bytes = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    (Body { boundary, bytes, piece }, is_valid)
}

fn from_hex(digits: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).unwrap_or_default();
        u8::from_str_radix(text, 16).unwrap_or_default()
    };
    digits.as_bytes().chunks(2).map(byte).collect()
}

/// A xorshift generator: the same seed gives the same body.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit.max(1)
    }

    fn one<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let at = self.below(all.len() as u64) as usize;
        &all[at]
    }
}

//! Measures what proxies do to our event streams, with the configurations of `proxies/`.
//!
//! Each configuration has an app and a proxy of its own, on free ports of this machine. The
//! measurement is on both sides of the proxy: it decides what the app sends, and sees what the
//! client gets. `cargo xtask proxies` runs this, and writes the tables of the guide page "Behind a
//! proxy".

mod client;
mod measure;
mod origin;
mod process;
mod programs;
mod rows;
mod tables;

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    path::{Path, PathBuf},
    time::Instant,
};

use futures_util::future::join_all;

use crate::{corpus::Corpus, page::Page};
use measure::{Arrival, Measured};
use origin::Origin;
use process::Proxy;
use programs::Program;
use rows::{FULL, Row, TRAPS};

/// The results of one proxy.
#[derive(Default)]
pub(crate) struct Results {
    /// The first two numbers of the proxy's version.
    version: String,
    full: Vec<(&'static Row, Measured)>,
    /// How events arrive with our headers, and without them.
    traps: Vec<(&'static Row, [Arrival; 2])>,
}

/// Measures each proxy whose program is there, and writes or compares the guide's tables.
pub(crate) async fn run(page: Page) -> Result<(), Box<dyn Error>> {
    let corpus = Corpus::read()?;
    let start = Instant::now();
    let programs: Vec<(Program, PathBuf)> = Program::ALL
        .into_iter()
        .filter_map(|program| {
            let path = env::var_os(program.variable()).filter(|path| !path.is_empty())?;
            Some((program, path.into()))
        })
        .collect();
    // The measurements mostly wait, so those of several proxies fit into the time of one.
    let measured = programs.iter().map(|(program, path)| measure(*program, path, &corpus));
    let mut results = BTreeMap::new();
    let mut faults = Vec::new();
    for ((program, _), result) in programs.iter().zip(join_all(measured).await) {
        match result {
            Ok(result) => {
                results.insert(program.name(), result);
            }
            Err(fault) => faults.push(fault),
        }
    }
    println!("{} proxies in {:.1} s", results.len(), start.elapsed().as_secs_f64());
    if !faults.is_empty() {
        return Err(faults.join("\n").into());
    }
    let skipped = Program::ALL.map(Program::name).into_iter();
    let skipped: Vec<_> = skipped.filter(|name| !results.contains_key(name)).collect();
    if !skipped.is_empty() {
        println!("SKIPPED, so the guide's tables stay as they are: {}", skipped.join(", "));
        return Ok(());
    }
    page.finish(&tables::all(&results, corpus.cases.len()), tables::without_versions)
}

async fn measure(program: Program, path: &Path, corpus: &Corpus) -> Result<Results, String> {
    let mut results = Results { version: program.version(path)?, ..Results::default() };
    for row in FULL.iter().filter(|row| row.program == program) {
        let named = |fault| format!("{}: {fault}", row.name());
        let (mut origin, proxy) = start(row, path, corpus).await.map_err(named)?;
        let measured =
            measure::all(&mut origin, proxy.port, row.protocol, corpus).await.map_err(named)?;
        println!("{}, {:?}: {measured}", row.name(), row.protocol);
        proxy.stop().await.map_err(named)?;
        results.full.push((row, measured));
    }
    for row in TRAPS.iter().filter(|row| row.program == program) {
        let named = |fault| format!("{}: {fault}", row.name());
        let mut arrivals = [Arrival::AtOnce; 2];
        for (arrival, request) in arrivals.iter_mut().zip(["/events", "/bare"]) {
            let (mut origin, proxy) = start(row, path, corpus).await.map_err(named)?;
            let (found, median) = measure::arrival(&mut origin, proxy.port, row.protocol, request)
                .await
                .map_err(named)?;
            println!("{}, {request}: events arrive {found}, median {median:.1?}", row.name());
            *arrival = found;
            proxy.stop().await.map_err(named)?;
        }
        results.traps.push((row, arrivals));
    }
    Ok(results)
}

async fn start(row: &Row, path: &Path, corpus: &Corpus) -> Result<(Origin, Proxy), String> {
    let origin = Origin::start(corpus).await.map_err(|error| error.to_string())?;
    let configuration = row.configuration();
    let proxy = Proxy::start(row.program, path, &configuration, row.protocol, origin.port).await?;
    Ok((origin, proxy))
}

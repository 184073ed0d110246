//! Tests Volga's event streams with foreign clients, and our decoder with foreign encoders.
//!
//! The corpus (`corpus.json`) has the streams that are sent. Each reader reports the events that it
//! received, and this program computes from the corpus alone which events these should be according
//! to the standard. If a reader is known to depart from the standard, `departures.json` lists the
//! case and the reason. A departure that is not listed fails the run, and so does a listed one that
//! no longer happens.
//!
//! `cargo xtask compat` runs this program, which also writes the tables of the guide page "What
//! clients do". With the argument `proxies` it measures proxies instead (see `proxies`), and with
//! `tls` it lets foreign programs look at an app with HTTPS (see `tls`), and with `http3` foreign
//! clients speak HTTP/3 with one (see `http3`). With `web` it tests forms and files (see `web`).

mod chat;
mod corpus;
mod departures;
mod encoders;
mod http3;
mod outcome;
mod page;
mod program;
mod proxies;
mod readers;
mod server;
mod sessions;
mod tls;
mod tokens;
mod web;
mod websockets;

use std::{env, error::Error, process::ExitCode, time::Instant};

use corpus::Corpus;
use departures::Departures;
use outcome::Outcome;
use page::Page;
use program::Programs;

/// The part of the tests that a run of this program does.
enum Subject {
    Clients,
    Proxies,
    Tls,
    Http3,
    Web,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let (subject, page) = arguments()?;
    match subject {
        Subject::Clients => clients(page).await,
        Subject::Proxies => proxies::run(page).await,
        Subject::Tls => tls::run().await,
        Subject::Http3 => http3::run().await,
        Subject::Web => web::run().await,
    }
}

/// Runs foreign clients and encoders.
async fn clients(page: Page) -> Result<(), Box<dyn Error>> {
    let corpus = Corpus::read()?;
    let departures = Departures::read()?;
    let server = server::start(corpus.clone()).await?;
    let programs = Programs::from_environment();

    let start = Instant::now();
    let mut outcomes = Vec::new();
    let mut skipped = Vec::new();
    for reader in readers::ALL {
        match reader.run(&corpus, &server, &programs).await? {
            Some(outcome) => add(&mut outcomes, outcome),
            None => skipped.push(reader.name),
        }
    }
    for encoder in encoders::ALL {
        add(&mut outcomes, encoder.run(&corpus).await?);
    }
    for client in chat::ALL {
        match client.run(&server, &programs).await? {
            Some(outcome) => add(&mut outcomes, outcome),
            None => skipped.push(client.name),
        }
    }
    // These cases are not part of the corpus, so they are not in the guide's tables, and they may
    // not depart.
    for outcome in tokens::run(&programs).await? {
        println!("{outcome}");
        if outcome.good() < outcome.results.len() {
            return Err(format!("{} does not work with examples/tokens", outcome.name).into());
        }
    }
    for outcome in websockets::run(&programs).await? {
        println!("{outcome}");
        if outcome.good() < outcome.results.len() {
            return Err(format!("{} does not work with our WebSockets", outcome.name).into());
        }
    }
    println!("{} clients and encoders in {:.1} s", outcomes.len(), start.elapsed().as_secs_f64());

    let problems = departures.compare(&outcomes, &skipped);
    if !problems.is_empty() {
        return Err(format!(
            "{}\ncompat/departures.json lists the known departures",
            problems.join("\n")
        )
        .into());
    }
    if !skipped.is_empty() {
        println!("SKIPPED, so the guide's tables stay as they are: {}", skipped.join(", "));
        return Ok(());
    }
    page.finish(&[page::tables(&outcomes, &departures)], str::to_owned)
}

fn add(outcomes: &mut Vec<Outcome>, outcome: Outcome) {
    println!("{outcome}");
    outcomes.push(outcome);
}

fn arguments() -> Result<(Subject, Page), String> {
    let mut args: Vec<_> = env::args().skip(1).collect();
    let mut subject = Subject::Clients;
    for (name, other) in [
        ("proxies", Subject::Proxies),
        ("tls", Subject::Tls),
        ("http3", Subject::Http3),
        ("web", Subject::Web),
    ] {
        if args.first().is_some_and(|first| first == name) {
            args.remove(0);
            subject = other;
        }
    }
    let page = match &*args.iter().map(String::as_str).collect::<Vec<_>>() {
        [] => Page::Leave,
        ["--write", page] => Page::Write(page.into()),
        ["--check", page] => Page::Check(page.into()),
        _ => {
            return Err(
                "usage: volga-compat [proxies | tls | http3 | web] [--write PAGE | --check PAGE]"
                    .to_owned(),
            );
        }
    };
    Ok((subject, page))
}

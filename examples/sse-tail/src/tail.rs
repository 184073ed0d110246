//! Reads a stream, and returns to it when it ends.

use std::{
    hash::{BuildHasher, RandomState},
    io,
    num::NonZeroU64,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use http::{Response, header};
use hyper::body::Incoming;
use tokio::time::{sleep, timeout};
use volga_sse::{
    Decoder, EventStream, ReadError,
    reconnect::{AttemptEnd, NextStep, ReconnectPolicy, Rejection},
};

use crate::{
    Failure,
    args::Options,
    chain,
    fetch::{FetchError, fetch},
    print::{Printer, say},
};

/// Prints events until the server says that there are no more, or as many as were asked for are
/// printed, or the time is over.
pub(crate) fn run(options: Options) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut printer = Printer::stdout();
    let result = runtime.block_on(async {
        let Some(time) = options.timeout else {
            return tail(&options, &mut printer).await;
        };
        match timeout(time, tail(&options, &mut printer)).await {
            Ok(result) => result,
            Err(_) if options.max.is_none() => Ok(()),
            Err(_) => Err(Failure::TooLate { printed: printer.printed() }),
        }
    });
    printer.flush()?;
    // A host name may still be waited for, on a thread that nobody can stop.
    runtime.shutdown_background();
    result
}

async fn tail<W: io::Write>(options: &Options, printer: &mut Printer<W>) -> Result<(), Failure> {
    let mut reconnect = ReconnectPolicy::new();
    let mut decoder = Decoder::new();
    loop {
        let (ended, what) = match attempt(options, &decoder).await? {
            Ok(body) => {
                let opened = Instant::now();
                // [guide]
                let mut events = EventStream::with_decoder(body, decoder);
                let end = read(&mut events, options.max, printer).await?;
                decoder = events.into_decoder();
                // [guide]
                match end {
                    End::Enough => return Ok(()),
                    End::Finished => (AttemptEnd::Finished, "the stream ended".to_owned()),
                    End::Broken(error) => (
                        AttemptEnd::Broken { open_for: opened.elapsed() },
                        format!("the stream broke ({error})"),
                    ),
                }
            }
            Err(ended) => ended,
        };
        if let Some(time) = decoder.retry() {
            reconnect.set_time(time);
        }
        match reconnect.next_step(ended, random()) {
            NextStep::Return(wait) => {
                say(&format!("{what}; again in {:.1} s", wait.as_secs_f64()));
                sleep(wait).await;
            }
            NextStep::Stop(Rejection::NoContent) => {
                say(&Rejection::NoContent.to_string());
                return Ok(());
            }
            NextStep::Stop(refusal) => return Err(Failure::Refused(refusal)),
        }
    }
}

/// Asks for the stream once. What is no stream is how the attempt ended, with words for people.
async fn attempt(
    options: &Options,
    decoder: &Decoder,
) -> Result<Result<Incoming, (AttemptEnd, String)>, Failure> {
    let target = &options.target;
    let sent = fetch(target, &options.headers, decoder.last_event_id(), options.http2).await;
    let response = match sent {
        Ok(response) => response,
        Err(FetchError::Connect(error)) => {
            let text = format!(
                "{} does not answer ({error}), perhaps it is not running",
                target.authority()
            );
            return Ok(Err((AttemptEnd::NoResponse, text)));
        }
        Err(FetchError::Http(error)) => {
            let other = if options.http2 { "without --http2" } else { "with --http2" };
            let text = format!(
                "{} gave no HTTP answer ({}); perhaps it answers {other}",
                target.authority(),
                chain(&error)
            );
            return Ok(Err((AttemptEnd::NoResponse, text)));
        }
        Err(FetchError::Redirect(text)) => return Err(Failure::Usage(text)),
    };
    Ok(match refusal(&response) {
        None => Ok(response.into_body()),
        Some(refusal) => Err((refusal.into(), refusal.to_string())),
    })
}

fn refusal(response: &Response<Incoming>) -> Option<Rejection> {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    Rejection::of(response.status().as_u16(), content_type)
}

/// How reading came to an end.
enum End {
    /// As many events as were asked for.
    Enough,
    Finished,
    Broken(String),
}

async fn read<W: io::Write>(
    events: &mut EventStream<Incoming>,
    max: Option<NonZeroU64>,
    printer: &mut Printer<W>,
) -> Result<End, Failure> {
    loop {
        // Flushed when there is nothing left to print: at once for a slow stream, seldom for a fast
        // one.
        let event = match events.next().now_or_never() {
            Some(event) => event,
            None => {
                printer.flush()?;
                events.next().await
            }
        };
        match event {
            Some(Ok(event)) => printer.event(event.event(), event.data(), event.id())?,
            Some(Err(ReadError::Decode(error))) => return Err(error.into()),
            Some(Err(error)) => {
                printer.flush()?;
                return Ok(End::Broken(chain(&error)));
            }
            None => {
                printer.flush()?;
                return Ok(End::Finished);
            }
        }
        if max.is_some_and(|max| printer.printed() >= max.get()) {
            return Ok(End::Enough);
        }
    }
}

/// A random number from the keys that the standard library draws for its hash maps: enough to
/// spread returns.
fn random() -> u64 {
    RandomState::new().hash_one(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_guide_shows_this_code() {
        let page = include_str!("../../../docs/src/reading-a-stream.md");
        let code = include_str!("tail.rs").split("// [guide]\n").nth(1).expect("marked");
        for line in code.lines().map(str::trim).filter(|line| !line.is_empty()) {
            assert!(page.lines().any(|shown| shown == line), "{line}");
        }
    }
}

//! Clients that ask for many responses with flow-control windows of 0 bytes. The server has the
//! responses, but may only send their heads.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{attack::CONNECTIONS, watch::Progress};
use crate::{
    connect,
    failure::Failure,
    wire::{
        Response,
        frames::{
            ACK, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE,
            MAX_CONCURRENT_STREAMS, PREFACE, RST_STREAM, SETTINGS, get_block, write_frame,
            write_settings,
        },
    },
};

/// How many streams one connection opens at most, even if the server allows more.
const MAX_STREAMS: u32 = 900;

/// How long the server may take for the heads of all responses of one connection, and for the
/// responses to the requests that publish.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the time is between two batches of messages once the streams are open.
const PAUSE: Duration = Duration::from_millis(100);

/// The time between two checks whether the attack is over.
const STEP: Duration = Duration::from_millis(5);

/// The sizes of the messages of one batch, which are published together.
const BATCH: &[usize] = &[16 * 1024; 4];

/// Opens as many streams for the path as the server allows, with windows of 0 bytes, on each of
/// [`CONNECTIONS`] connections. Holds them for `time`, and then until [`Progress::is_finished`].
/// Returns the number of streams.
///
/// If `publishes` is true, a further client publishes messages: without a pause while the streams
/// open, so that a stream has messages when the server first polls its body, and then every
/// [`PAUSE`].
///
/// # Errors
///
/// Fails when the server does not respond, or closes a connection before it has responded.
pub(crate) fn hold_streams(
    server: SocketAddr,
    path: &str,
    publishes: bool,
    time: Duration,
    progress: &Progress,
) -> Result<usize, Failure> {
    let is_open = &AtomicBool::new(false);
    thread::scope(|scope| {
        let publisher = publishes.then(|| {
            scope.spawn(move || Batches::connect(server)?.publish_during(is_open, progress))
        });
        let opened = (0..CONNECTIONS)
            .map(|number| open(server, path, number))
            .collect::<Result<Vec<_>, Failure>>();
        is_open.store(true, Ordering::Relaxed);
        if opened.is_ok() {
            thread::sleep(time);
        }
        progress.all_sent();
        if let Some(publisher) = publisher {
            publisher.join().unwrap_or_else(|_| Err(Failure::new("the publisher panicked")))?;
        }
        let opened = opened?;
        while !progress.is_finished() {
            thread::sleep(STEP);
        }
        Ok(opened.iter().map(|(_, streams)| streams).sum())
    })
}

/// Opens the streams of one connection, and waits for the heads of their responses. Returns how
/// many streams are open.
pub(super) fn open(
    server: SocketAddr,
    path: &str,
    number: usize,
) -> Result<(TcpStream, usize), Failure> {
    let mut socket = connect::connect(server, number)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let mut wire = PREFACE.to_vec();
    write_settings(&mut wire, &[(INITIAL_WINDOW_SIZE, 0)]);
    socket.write_all(&wire)?;

    let begin = Instant::now();
    let mut frames = Frames::default();
    let mut buffer = vec![0; 16 * 1024];
    let mut seen = ServerFrames::default();
    let mut asked = None;
    while asked.is_none_or(|asked| seen.heads + seen.refusals < asked) {
        let read = read(&mut socket, &mut buffer)?;
        frames.feed(&buffer[..read], |frame| seen.note(frame))?;
        if read == 0 || seen.goodbye || begin.elapsed() > PATIENCE {
            let heads = seen.heads;
            return Err(Failure::new(format!(
                "the server responded to only {heads} streams of one connection"
            )));
        }
        if let (None, Some(limit)) = (asked, seen.limit) {
            socket.write_all(&requests(path, limit))?;
            asked = Some(limit);
        }
    }
    Ok((socket, seen.heads as usize))
}

/// The frames that one connection has received, as far as they matter here: the server's limit on
/// streams, and the heads of its responses.
#[derive(Debug, Default)]
struct ServerFrames {
    /// How many streams the client opens: the server's limit, but at most [`MAX_STREAMS`].
    limit: Option<u32>,
    heads: u32,
    refusals: u32,
    goodbye: bool,
}

impl ServerFrames {
    fn note(&mut self, frame: Frame<'_>) {
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => {
                let limit = frame.setting(MAX_CONCURRENT_STREAMS).unwrap_or(MAX_STREAMS);
                self.limit = Some(limit.min(MAX_STREAMS));
            }
            HEADERS => self.heads += 1,
            RST_STREAM => self.refusals += 1,
            GOAWAY => self.goodbye = true,
            _ => {}
        }
    }
}

/// The acknowledgement of the server's SETTINGS, and then `count` requests.
fn requests(path: &str, count: u32) -> Vec<u8> {
    let mut wire = Vec::new();
    write_frame(&mut wire, SETTINGS, ACK, 0, &[]);
    let block = get_block(path);
    for stream in (0..count).map(|number| 2 * number + 1) {
        write_frame(&mut wire, HEADERS, END_HEADERS | END_STREAM, stream, &block);
    }
    wire
}

/// The client that publishes. In this row the server may hang, so each wait has a bound, unlike in
/// the publisher of the other rows.
struct Batches {
    socket: TcpStream,
    requests: Vec<u8>,
}

impl Batches {
    fn connect(server: SocketAddr) -> Result<Self, Failure> {
        let socket = connect::connect(server, 0)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut requests = Vec::new();
        for &size in BATCH {
            let head = format!(
                "POST /publish HTTP/1.1\r\nhost: bench\r\ncontent-type: text/plain\r\n\
                 content-length: {size}\r\n\r\n"
            );
            requests.extend_from_slice(head.as_bytes());
            requests.resize(requests.len() + size, b'.');
        }
        Ok(Self { socket, requests })
    }

    /// Publishes as fast as the server responds until the streams are open, and then every
    /// [`PAUSE`] until the attack is over.
    fn publish_during(mut self, is_open: &AtomicBool, progress: &Progress) -> Result<(), Failure> {
        while !progress.is_all_sent() {
            self.publish()?;
            if is_open.load(Ordering::Relaxed) {
                thread::sleep(PAUSE);
            }
        }
        Ok(())
    }

    /// Publishes one batch in one write, and waits for the responses.
    fn publish(&mut self) -> Result<(), Failure> {
        self.socket.write_all(&self.requests)?;
        let mut buffer = [0; 4096];
        let mut answers = 0;
        let mut response = Response::new();
        while answers < BATCH.len() {
            let read = read(&mut self.socket, &mut buffer)?;
            if read == 0 {
                return Err(Failure::new("the server closed the publisher's connection"));
            }
            let mut used = 0;
            while used < read {
                used += response.feed(&buffer[used..read], |_| Ok(()))?;
                if response.is_complete() {
                    response = Response::new();
                    answers += 1;
                }
            }
        }
        Ok(())
    }
}

/// Reads like [`Read::read`]. Fails if the socket's timeout of [`PATIENCE`] is over.
pub(super) fn read(socket: &mut TcpStream, buffer: &mut [u8]) -> Result<usize, Failure> {
    socket.read(buffer).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => Failure::new(format!("no response within {PATIENCE:?}")),
        _ => error.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_has_a_stream_of_its_own_after_the_acknowledgement() {
        let mut seen = Vec::new();
        let on_frame = |frame: Frame<'_>| seen.push((frame.kind, frame.flags, frame.stream));
        Frames::default().feed(&requests("/large", 2), on_frame).expect("frames of ours");
        let request = END_HEADERS | END_STREAM;
        assert_eq!(seen, [(SETTINGS, ACK, 0), (HEADERS, request, 1), (HEADERS, request, 3)]);
    }

    #[test]
    fn the_client_opens_what_the_server_allows_and_no_more_than_its_bound() {
        for (settings, limit) in [
            (&[(MAX_CONCURRENT_STREAMS, 200)][..], 200),
            (&[(MAX_CONCURRENT_STREAMS, 1_000)], MAX_STREAMS),
            (&[], MAX_STREAMS),
        ] {
            let mut wire = Vec::new();
            // An acknowledgement does not say how many streams the server allows.
            write_frame(&mut wire, SETTINGS, ACK, 0, &[]);
            let mut seen = ServerFrames::default();
            let mut frames = Frames::default();
            frames.feed(&wire, |frame| seen.note(frame)).expect("frames of ours");
            assert_eq!(seen.limit, None);
            wire.clear();
            write_settings(&mut wire, settings);
            frames.feed(&wire, |frame| seen.note(frame)).expect("frames of ours");
            assert_eq!(seen.limit, Some(limit));
        }
    }
}

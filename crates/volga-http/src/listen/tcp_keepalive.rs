//! Finding clients that are gone without a word: no FIN, no RST, as after a power cut or behind a
//! router that forgot them.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use crate::limits::{DEAD_CLIENT_PROBES, LONGEST_PROBE};

/// What the kernel does to find them, on every connection of a listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TcpKeepaliveSettings {
    /// After how much silence the first is sent.
    after: Duration,
    /// The time from one to the next.
    every: Duration,
    /// How long bytes may wait for an acknowledgement.
    unacknowledged: Duration,
}

impl TcpKeepaliveSettings {
    /// Half of the time is for silence, and the other half for probes. What was sent and is not
    /// acknowledged has all of it; and no less than a client may stall that reads nothing, for to
    /// the kernel both are the same.
    pub(crate) fn new(dead_client_timeout: Duration, write_stall_timeout: Duration) -> Self {
        // Whole seconds are what systems count in; zero would be an error there.
        let whole = |time: Duration| {
            Duration::from_secs(time.as_secs_f64().ceil() as u64)
                .clamp(Duration::from_secs(1), LONGEST_PROBE)
        };
        Self {
            after: whole(dead_client_timeout / 2),
            every: whole(dead_client_timeout / 2 / DEAD_CLIENT_PROBES),
            unacknowledged: whole(dead_client_timeout.max(write_stall_timeout)),
        }
    }

    /// Sets them on a listener, once: what it accepts inherits them, at no cost for each
    /// connection.
    ///
    /// A system that knows none of it still serves; it finds such clients when a write stalls, or
    /// by PING.
    pub(crate) fn set(self, listener: SockRef<'_>) {
        let keepalive = TcpKeepalive::new().with_time(self.after);
        #[cfg(not(any(target_os = "openbsd", target_os = "haiku")))]
        let keepalive = keepalive.with_interval(self.every).with_retries(DEAD_CLIENT_PROBES);
        let _ = listener.set_tcp_keepalive(&keepalive);
        // TcpKeepaliveSettings are sent only in silence. While bytes wait for an acknowledgement, as heartbeats
        // do, Linux would try for a quarter of an hour.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = listener.set_tcp_user_timeout(Some(self.unacknowledged));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{DEFAULT_DEAD_CLIENT_TIMEOUT, DEFAULT_WRITE_STALL_TIMEOUT};

    fn secs(probes: TcpKeepaliveSettings) -> [u64; 3] {
        [probes.after, probes.every, probes.unacknowledged].map(|time| time.as_secs())
    }

    #[test]
    fn silence_and_probes_come_to_the_time_that_was_set() {
        let default =
            TcpKeepaliveSettings::new(DEFAULT_DEAD_CLIENT_TIMEOUT, DEFAULT_WRITE_STALL_TIMEOUT);
        assert_eq!(secs(default), [30, 10, 60]);
        let patient = TcpKeepaliveSettings::new(Duration::from_secs(60), Duration::from_secs(300));
        assert_eq!(secs(patient), [30, 10, 300], "a reader that stalls is no dead client");
    }

    #[test]
    fn no_time_is_one_that_systems_refuse() {
        assert_eq!(secs(TcpKeepaliveSettings::new(Duration::ZERO, Duration::ZERO)), [1, 1, 1]);
        let longest = LONGEST_PROBE.as_secs();
        assert_eq!(secs(TcpKeepaliveSettings::new(Duration::MAX, Duration::ZERO)), [longest; 3]);
    }

    /// That an accepted connection has them, and that the system takes the longest.
    #[cfg(target_os = "linux")]
    #[test]
    fn an_accepted_connection_has_those_of_its_listener() {
        for time in [DEFAULT_DEAD_CLIENT_TIMEOUT, Duration::MAX] {
            let probes = TcpKeepaliveSettings::new(time, DEFAULT_WRITE_STALL_TIMEOUT);
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            probes.set(SockRef::from(&listener));
            let address = listener.local_addr().expect("a bound socket");
            let _client = std::net::TcpStream::connect(address).expect("it listens");
            let (accepted, _) = listener.accept().expect("a client");
            let accepted = SockRef::from(&accepted);
            assert!(accepted.keepalive().expect("an option"));
            let got = TcpKeepaliveSettings {
                after: accepted.tcp_keepalive_time().expect("an option"),
                every: accepted.tcp_keepalive_interval().expect("an option"),
                unacknowledged: accepted.tcp_user_timeout().expect("an option").expect("it is set"),
            };
            assert_eq!(got, probes);
            assert_eq!(accepted.tcp_keepalive_retries().expect("an option"), DEAD_CLIENT_PROBES);
        }
    }
}

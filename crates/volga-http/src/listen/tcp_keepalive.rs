//! Finds clients that disappeared without closing: no FIN and no RST, as after a power cut or
//! behind a router that forgot the connection.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use crate::limits::{DEAD_CLIENT_PROBES, LONGEST_PROBE};

/// How the kernel finds such clients, on every connection of a listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TcpKeepaliveSettings {
    /// How long a connection is silent before the first probe.
    after: Duration,
    /// The time between two probes.
    every: Duration,
    /// How long sent bytes may stay unacknowledged.
    unacknowledged: Duration,
}

impl TcpKeepaliveSettings {
    /// Divides the time: half of it for silence, the other half for probes. Sent bytes may stay
    /// unacknowledged for all of it, and at least as long as a client may stall, because the kernel
    /// cannot tell a client that does not read from one that is gone.
    pub(crate) fn new(dead_client_timeout: Duration, write_stall_timeout: Duration) -> Self {
        // Systems count in whole seconds, and refuse zero.
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

    /// Sets the options on a listener once. Accepted connections inherit them, at no cost for each
    /// connection.
    ///
    /// On a system without these options the server still works: it notices such clients when a
    /// write stalls, or by PING.
    pub(crate) fn set(self, listener: SockRef<'_>) {
        let keepalive = TcpKeepalive::new().with_time(self.after);
        #[cfg(not(any(target_os = "openbsd", target_os = "haiku")))]
        let keepalive = keepalive.with_interval(self.every).with_retries(DEAD_CLIENT_PROBES);
        let _ = listener.set_tcp_keepalive(&keepalive);
        // Probes are sent only during silence. While sent bytes are unacknowledged, as after a
        // heartbeat, Linux would retransmit for a quarter of an hour.
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
    fn silence_and_probes_add_up_to_the_time_that_was_set() {
        let default =
            TcpKeepaliveSettings::new(DEFAULT_DEAD_CLIENT_TIMEOUT, DEFAULT_WRITE_STALL_TIMEOUT);
        assert_eq!(secs(default), [30, 10, 60]);
        let patient = TcpKeepaliveSettings::new(Duration::from_secs(60), Duration::from_secs(300));
        assert_eq!(secs(patient), [30, 10, 300], "a reader that stalls is no dead client");
    }

    #[test]
    fn no_time_is_outside_of_what_systems_accept() {
        assert_eq!(secs(TcpKeepaliveSettings::new(Duration::ZERO, Duration::ZERO)), [1, 1, 1]);
        let longest = LONGEST_PROBE.as_secs();
        assert_eq!(secs(TcpKeepaliveSettings::new(Duration::MAX, Duration::ZERO)), [longest; 3]);
    }

    /// Accepted connections inherit the options, and the system accepts the longest times.
    #[cfg(target_os = "linux")]
    #[test]
    fn accepted_connections_inherit_the_options_of_their_listener() {
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

//! Limits how many connections are open at a time, in total and for each address. Only counts; no
//! I/O.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The limits on open connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionBounds {
    pub(crate) total: usize,
    pub(crate) per_address: usize,
}

/// The limit that a new connection would exceed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AdmissionError {
    Total,
    PerAddress,
}

/// Counts the connections of one server.
#[derive(Debug)]
pub(crate) struct Admission {
    bounds: ConnectionBounds,
    networks: Arc<Networks>,
}

/// How many connections each network has. Networks without connections are removed, so the table is
/// no larger than the number of connections.
#[derive(Debug, Default)]
struct Networks(Mutex<HashMap<IpAddr, usize>>);

impl Admission {
    pub(crate) fn new(bounds: ConnectionBounds) -> Self {
        Self { bounds, networks: Arc::default() }
    }

    /// Checks whether one more connection is allowed beside the `open` ones.
    pub(crate) fn admit(&self, open: usize) -> Result<(), AdmissionError> {
        if open < self.bounds.total { Ok(()) } else { Err(AdmissionError::Total) }
    }

    /// Returns a permit to have one more connection of this network; `None` if networks are not
    /// counted.
    pub(crate) fn permit(
        &self,
        network: IpAddr,
    ) -> Result<Option<AdmissionPermit>, AdmissionError> {
        let ConnectionBounds { total, per_address } = self.bounds;
        if per_address >= total {
            return Ok(None);
        }
        if !self.networks.enter(network, per_address) {
            return Err(AdmissionError::PerAddress);
        }
        Ok(Some(AdmissionPermit { networks: Arc::clone(&self.networks), network }))
    }
}

impl Networks {
    /// Counts one more connection of this network. Returns false if the network is at the limit.
    fn enter(&self, network: IpAddr, most: usize) -> bool {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match open.entry(network) {
            Entry::Occupied(mut count) if *count.get() < most => *count.get_mut() += 1,
            Entry::Vacant(vacant) if most > 0 => {
                vacant.insert(1);
            }
            _ => return false,
        }
        true
    }

    fn leave(&self, network: IpAddr) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = open.entry(network) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Counts one connection of a network until it is dropped.
#[derive(Debug)]
pub(crate) struct AdmissionPermit {
    networks: Arc<Networks>,
    network: IpAddr,
}

impl Drop for AdmissionPermit {
    fn drop(&mut self) {
        self.networks.leave(self.network);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    fn admission(total: usize, per_address: usize) -> Admission {
        Admission::new(ConnectionBounds { total, per_address })
    }

    #[test]
    fn connections_up_to_the_total_limit_are_admitted() {
        let admission = admission(3, 3);
        assert_eq!(admission.admit(2), Ok(()));
        assert_eq!(admission.admit(3), Err(AdmissionError::Total));
    }

    #[test]
    fn an_address_is_limited_and_does_not_affect_another() {
        let admission = admission(100, 2);
        let take = |network| admission.permit(network).map(|place| place.expect("it is counted"));
        let held = [take(ONE).expect("the first"), take(ONE).expect("the last")];
        assert_eq!(take(ONE).unwrap_err(), AdmissionError::PerAddress);
        let other = take(OTHER).expect("another address");
        drop(held);
        let again = take(ONE).expect("the places were given back");
        drop((other, again));
        assert!(admission.networks.0.lock().expect("no panic").is_empty(), "no address is kept");
    }

    #[test]
    fn without_a_limit_no_address_is_counted() {
        assert!(admission(10, usize::MAX).permit(ONE).expect("no bound").is_none());
    }
}

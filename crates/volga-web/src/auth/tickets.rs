//! `Tickets`: tokens that are good for one request.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use volga_core::Error;

use crate::auth::error::AuthError;
use crate::random_id::random_id;

/// How long a ticket is good by default: 30 seconds.
pub const DEFAULT_TICKET_LIFETIME: Duration = Duration::from_secs(30);

/// The default maximum number of tickets that are not redeemed: 10,000.
pub const DEFAULT_MAX_TICKETS: usize = 10_000;

/// Tokens that are good for one request and a short time, each for a value, such as a user. Clones
/// share the tickets.
///
/// They are for a client that cannot send credentials in a header, such as a browser's
/// `EventSource`: a request with credentials gets a ticket, and the URL of the stream has it. Since
/// a ticket is used up by its first request, a URL in a log or in the history of a browser opens
/// nothing.
///
/// ```
/// use volga_web::Tickets;
///
/// # fn main() -> Result<(), volga_core::Error> {
/// let tickets = Tickets::new();
/// let ticket = tickets.issue("anna")?;
/// assert_eq!(tickets.redeem(&ticket).unwrap(), "anna");
/// assert!(tickets.redeem(&ticket).is_err());
/// # Ok(()) }
/// ```
///
/// The tickets are in the memory of this process. Behind a load balancer, both requests must reach
/// the same process.
pub struct Tickets<T> {
    lifetime: Duration,
    max: usize,
    issued: Arc<Mutex<Issued<T>>>,
}

struct Issued<T> {
    values: HashMap<Box<str>, (Instant, T)>,
    /// The tickets in the order in which they were issued, with those that were redeemed since.
    order: VecDeque<Box<str>>,
}

impl<T> Default for Tickets<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Tickets<T> {
    /// Creates an empty list of tickets.
    #[must_use]
    pub fn new() -> Self {
        let issued = Issued { values: HashMap::new(), order: VecDeque::new() };
        Self {
            lifetime: DEFAULT_TICKET_LIFETIME,
            max: DEFAULT_MAX_TICKETS,
            issued: Arc::new(Mutex::new(issued)),
        }
    }

    /// Sets how long a ticket is good, [`DEFAULT_TICKET_LIFETIME`] by default.
    #[must_use]
    pub fn with_lifetime(mut self, time: Duration) -> Self {
        self.lifetime = time;
        self
    }

    /// Sets how many tickets may wait to be redeemed, [`DEFAULT_MAX_TICKETS`] by default. Then the
    /// oldest one is dropped for a new one. The number is at least 1.
    #[must_use]
    pub fn with_max(mut self, count: usize) -> Self {
        self.max = count.max(1);
        self
    }

    /// Issues a ticket for a value: 32 characters that may stand in a URL as they are.
    ///
    /// # Errors
    ///
    /// Returns a server error if the system gives no random numbers.
    pub fn issue(&self, value: T) -> Result<String, Error> {
        let ticket = random_id()?;
        let mut issued = self.issued();
        while issued.order.len() >= self.max {
            let Some(oldest) = issued.order.pop_front() else { break };
            issued.values.remove(&oldest);
        }
        issued.order.push_back(ticket.clone());
        issued.values.insert(ticket.clone(), (Instant::now(), value));
        Ok(ticket.into())
    }

    /// Returns the value of a ticket, which is used up.
    ///
    /// # Errors
    ///
    /// Returns status 401 if the ticket is unknown, was redeemed before, or is too old.
    pub fn redeem(&self, ticket: &str) -> Result<T, AuthError> {
        let found = self.issued().take(ticket);
        match found {
            Some((at, value)) if at.elapsed() < self.lifetime => Ok(value),
            _ => Err(AuthError::bearer()
                .with_message("the ticket is unknown, too old, or was used before")),
        }
    }

    fn issued(&self) -> MutexGuard<'_, Issued<T>> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Issued<T> {
    fn take(&mut self, ticket: &str) -> Option<(Instant, T)> {
        let found = self.values.remove(ticket);
        // Redeemed tickets leave the list from its front, so it stays as short as the tickets live.
        while self.order.front().is_some_and(|oldest| !self.values.contains_key(oldest)) {
            self.order.pop_front();
        }
        found
    }
}

impl<T> Clone for Tickets<T> {
    fn clone(&self) -> Self {
        Self { lifetime: self.lifetime, max: self.max, issued: Arc::clone(&self.issued) }
    }
}

impl<T> fmt::Debug for Tickets<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets")
            .field("waiting", &self.issued().values.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once() {
        let tickets = Tickets::new();
        let [one, two] = [1, 2].map(|value| tickets.issue(value).expect("random numbers"));
        assert_ne!(one, two);
        let elsewhere = tickets.clone();
        for (ticket, expect) in [(&two, Some(2)), (&two, None), (&one, Some(1)), (&one, None)] {
            assert_eq!(elsewhere.redeem(ticket).ok(), expect);
        }
        assert!(tickets.redeem("").is_err());
        assert!(tickets.issued().order.is_empty());
    }

    #[test]
    fn an_old_ticket_is_refused_and_used_up() {
        let tickets = Tickets::new().with_lifetime(Duration::ZERO);
        let ticket = tickets.issue(()).expect("random numbers");
        assert!(tickets.clone().with_lifetime(DEFAULT_TICKET_LIFETIME).redeem("x").is_err());
        assert!(tickets.redeem(&ticket).is_err());
        assert!(tickets.with_lifetime(DEFAULT_TICKET_LIFETIME).redeem(&ticket).is_err());
    }

    /// Every order of issuing and redeeming keeps the bound.
    #[test]
    fn the_oldest_ticket_makes_room() {
        for redeemed in 0..8_u32 {
            let tickets = Tickets::new().with_max(3);
            let first: Vec<_> = (0..3).map(|n| tickets.issue(n).expect("random numbers")).collect();
            for (n, ticket) in first.iter().enumerate() {
                if redeemed & (1 << n) != 0 {
                    assert!(tickets.redeem(ticket).is_ok());
                }
            }
            for n in 3..9 {
                assert!(tickets.issue(n).is_ok());
                let issued = tickets.issued();
                assert!(issued.order.len() <= 3 && issued.values.len() <= issued.order.len());
            }
            let last = tickets.issue(9).expect("random numbers");
            assert_eq!(tickets.redeem(&last).ok(), Some(9));
        }
    }
}

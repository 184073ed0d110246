//! The route by which a load balancer learns whether to send requests.

use crate::{App, Route, status};

impl App {
    /// Maps a route that says whether the app takes requests: 200, and 503 from the moment on at which the end was asked for. So it says 503 while what is to
    /// be done [before the end](Self::before_shutdown) is done, and the app still serves.
    ///
    /// ```
    /// use std::time::Duration;
    /// use volga::App;
    ///
    /// // Told to end, it says so for 5 seconds before it stops to accept.
    /// let mut app = App::new().before_shutdown(|| tokio::time::sleep(Duration::from_secs(5)));
    /// app.map_readiness("/ready");
    /// ```
    #[track_caller]
    pub fn map_readiness(&mut self, pattern: &str) -> Route<'_> {
        let shutdown = self.shutdown_handle();
        self.map_get(pattern, move || {
            // Who caches it, sends requests to a server that is gone.
            if shutdown.is_shutdown_requested() {
                status!(503, "shutting down\n"; [("cache-control", "no-store")])
            } else {
                status!(200, "ready\n"; [("cache-control", "no-store")])
            }
        })
    }
}

//! The readiness route, by which a load balancer learns whether to send requests.

use crate::app::App;
use crate::group::Route;
use crate::status;

impl App {
    /// Maps a route that says whether the app is ready for requests. The status is 200, and 503
    /// after the shutdown was requested. It is already 503 while the [shutdown
    /// hooks](Self::with_shutdown_hook) run and the app still serves.
    ///
    /// ```
    /// use std::time::Duration;
    /// use volga::App;
    ///
    /// // At shutdown the app is not ready for 5 seconds, and only then stops accepting connections.
    /// let mut app = App::new().with_shutdown_hook(|| tokio::time::sleep(Duration::from_secs(5)));
    /// app.map_readiness("/ready");
    /// ```
    #[track_caller]
    pub fn map_readiness(&mut self, pattern: &str) -> Route<'_> {
        let shutdown = self.shutdown_handle();
        self.map_get(pattern, move || {
            // A cached response would send requests to a server that is gone.
            if shutdown.is_shutdown_requested() {
                status!(503, "shutting down\n"; [("cache-control", "no-store")])
            } else {
                status!(200, "ready\n"; [("cache-control", "no-store")])
            }
        })
    }
}

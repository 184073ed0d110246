//! `map_webtransport`: WebTransport sessions on routes.

mod endpoint;
mod handler;

use std::sync::atomic::Ordering;

use volga_core::{HandlerEndpoint, PartsArgs, RouteMethod};
use volga_h3::WebTransportSettings;

pub use handler::{SessionHandler, SessionOutput};

use self::endpoint::SessionEndpoint;
use crate::group::{Group, Route};

impl Group {
    /// Maps a function that gets a WebTransport session: streams and datagrams in both directions,
    /// over HTTP/3. The app needs [`with_http3`](crate::App::with_http3).
    ///
    /// The function takes the [`WebTransport`](volga_h3::WebTransport) session first, and then up
    /// to nine arguments that need only the head of a request. An argument that cannot be extracted
    /// refuses the session with its own status. A page from another origin is refused with 403, and
    /// an ordinary request with 405. Middleware sees the request that opens the session.
    ///
    /// ```
    /// use volga::{App, error::Error, http::webtransport::WebTransport};
    ///
    /// let mut app = App::new();
    /// app.map_webtransport("/echo/{name}", async |session: WebTransport, name: String| {
    ///     while let Some((mut send, mut receive)) = session.accept_bidirectional().await {
    ///         let text = receive.read_to_end(64 * 1024).await?;
    ///         send.write_all(name.as_bytes()).await?;
    ///         send.write_all(&text).await?;
    ///         send.finish().await?;
    ///     }
    ///     Ok::<(), Error>(())
    /// });
    /// # app.check().unwrap();
    /// ```
    ///
    /// When the function returns, the session is closed: with code 0, or with what the function
    /// returns. After an error, the code is the error's status. The text is the message of an error
    /// of the client (4xx); any other error is reported like that of a handler. An error because
    /// the client has ended a stream or the session closes it with code 0.
    ///
    /// When the app shuts down, the client is told, and
    /// [`draining`](volga_h3::WebTransport::draining) is ready. Shortly before the deadline, the
    /// server closes the session.
    #[track_caller]
    pub fn map_webtransport<H, Args>(&mut self, pattern: &str, handler: H) -> Route<'_>
    where
        H: SessionHandler<Args> + Clone + Send + Sync + 'static,
        Args: PartsArgs + Send + 'static,
    {
        self.map_webtransport_with(pattern, WebTransportSettings::new(), handler)
    }

    /// Maps a function that gets a WebTransport session, as
    /// [`map_webtransport`](Self::map_webtransport) does, with settings: the pages that may open
    /// it, limits and times.
    ///
    /// ```
    /// use volga::{App, http::webtransport::{WebTransport, WebTransportSettings}};
    ///
    /// let settings = WebTransportSettings::new().origins(["https://app.example"]).max_streams(16);
    /// let mut app = App::new();
    /// app.map_webtransport_with("/news", settings, async |session: WebTransport| {
    ///     let _ = session.send_datagram("hello");
    ///     session.draining().await;
    /// });
    /// # app.check().unwrap();
    /// ```
    #[track_caller]
    pub fn map_webtransport_with<H, Args>(
        &mut self,
        pattern: &str,
        settings: WebTransportSettings,
        handler: H,
    ) -> Route<'_>
    where
        H: SessionHandler<Args> + Clone + Send + Sync + 'static,
        Args: PartsArgs + Send + 'static,
    {
        self.streams().has_webtransport.store(true, Ordering::Relaxed);
        let endpoint = SessionEndpoint::new(handler, settings);
        let endpoint = HandlerEndpoint::new(endpoint).with_last_step();
        let scope = self.scope();
        let id = self.router_mut().map_in(scope, RouteMethod::Any, pattern, endpoint);
        Route::new(self, id)
    }
}

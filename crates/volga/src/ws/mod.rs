//! `map_ws` and `map_msg`: WebSockets on routes.

mod endpoint;
mod function;
mod handler;
mod messages;

use std::sync::Arc;

use volga_core::{HandlerEndpoint, PartsArgs, RouteMethod};
use volga_ws::WebSocketSettings;

pub use handler::{SocketHandler, SocketOutput};
pub use messages::{FromMessage, IntoReply, MessageHandler};

use self::endpoint::SocketEndpoint;
use self::messages::MessageLoop;
use crate::group::{Group, Route};

impl Group {
    /// Maps a function that gets a WebSocket, over HTTP/1.1 (RFC 6455), HTTP/2 (RFC 8441) and
    /// HTTP/3 (RFC 9220).
    ///
    /// The function takes the [`WebSocket`](volga_ws::WebSocket) first, and then up to nine
    /// arguments that need only the head of a request. An argument that cannot be extracted refuses
    /// the handshake with its own status. So does anything that is wrong with the handshake: status
    /// 426 for an ordinary request, 403 for a page from another origin, 501 for an extended CONNECT
    /// of another protocol, 400 for the rest.
    ///
    /// ```
    /// use volga::{App, http::ws::WebSocket};
    ///
    /// let mut app = App::new();
    /// app.map_ws("/echo/{name}", async |mut socket: WebSocket, name: String| {
    ///     while let Some(message) = socket.recv().await {
    ///         if let Some(text) = message.as_text() {
    ///             socket.send(format!("{name}: {text}")).await?;
    ///         }
    ///     }
    ///     Ok::<(), volga::error::Error>(())
    /// });
    /// # app.check().unwrap();
    /// ```
    ///
    /// When the function returns, the WebSocket is closed: with code 1000, or after an error with
    /// 1011, and the error is reported like that of any handler. An error with a status of the
    /// client (4xx) has code 1008, and its message is the text of the close. When the app shuts
    /// down, the WebSocket is closed with code 1001.
    ///
    /// The route answers every method, because a handshake is a GET on HTTP/1.1 and a CONNECT on
    /// HTTP/2 and HTTP/3. A route for GET with the same pattern would get the handshakes of
    /// HTTP/1.1.
    #[track_caller]
    pub fn map_ws<H, Args>(&mut self, pattern: &str, handler: H) -> Route<'_>
    where
        H: SocketHandler<Args> + Clone + Send + Sync + 'static,
        Args: PartsArgs + Send + 'static,
    {
        self.map_ws_with(pattern, WebSocketSettings::new(), handler)
    }

    /// Maps a function that gets a WebSocket, as [`map_ws`](Self::map_ws) does, with settings:
    /// subprotocols, limits, times, and the pages that may open it.
    ///
    /// ```
    /// use volga::{App, http::ws::{WebSocket, WebSocketSettings}};
    ///
    /// let settings = WebSocketSettings::new()
    ///     .protocols(["chat.v2", "chat.v1"])
    ///     .max_message_bytes(16 * 1024);
    /// let mut app = App::new();
    /// app.map_ws_with("/chat", settings, async |mut socket: WebSocket| {
    ///     let protocol = socket.protocol().unwrap_or("none").to_owned();
    ///     let _ = socket.send(protocol).await;
    /// });
    /// # app.check().unwrap();
    /// ```
    #[track_caller]
    pub fn map_ws_with<H, Args>(
        &mut self,
        pattern: &str,
        settings: WebSocketSettings,
        handler: H,
    ) -> Route<'_>
    where
        H: SocketHandler<Args> + Clone + Send + Sync + 'static,
        Args: PartsArgs + Send + 'static,
    {
        let endpoint = SocketEndpoint::new(handler, Arc::new(settings));
        let endpoint = HandlerEndpoint::new(endpoint).with_last_step();
        let scope = self.scope();
        let id = self.router_mut().map_in(scope, RouteMethod::Any, pattern, endpoint);
        Route::new(self, id)
    }

    /// Maps a function that replies to each message of a WebSocket.
    ///
    /// The function takes the message first: [`Message`](volga_ws::Message), a text or bytes, or
    /// [`Json`](crate::Json). A message of another kind closes the WebSocket with code 1003, and
    /// JSON that does not fit with 1007. The further arguments are extracted once, at the
    /// handshake, and cloned for each message. The reply is a message, an `Option` or a `Result` of
    /// one, or `()` for none.
    ///
    /// ```
    /// use volga::App;
    ///
    /// let mut app = App::new();
    /// app.map_msg("/echo", async |text: String| text);
    /// app.map_msg("/greet/{name}", async |text: String, name: String| format!("{name}: {text}"));
    /// # app.check().unwrap();
    /// ```
    #[track_caller]
    pub fn map_msg<F, M, Args>(&mut self, pattern: &str, handler: F) -> Route<'_>
    where
        F: MessageHandler<M, Args> + Clone + Send + Sync + 'static,
        M: FromMessage + Send + 'static,
        Args: PartsArgs + Clone + Send + Sync + 'static,
    {
        self.map_ws(pattern, MessageLoop::new(handler))
    }
}

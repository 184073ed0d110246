//! WebSockets.

/// A WebSocket: messages in both directions.
///
/// ```
/// use volga::{App, error::Error, http::ws::WebSocket};
///
/// let mut app = App::new();
/// app.map_ws("/greet/{name}", async |mut socket: WebSocket, name: String| {
///     while let Some(message) = socket.recv().await {
///         let Some(text) = message.as_text() else { continue };
///         socket.send(format!("{name} said: {text}")).await?;
///     }
///     Ok::<(), Error>(())
/// });
/// # app.check().unwrap();
/// ```
pub use volga_ws::{ClosedError, Message, WebSocket};

/// The settings of WebSockets.
///
/// ```
/// use std::time::Duration;
/// use volga::{App, http::ws::{WebSocket, WebSocketSettings}};
///
/// let settings = WebSocketSettings::new()
///     .origins(["https://app.example"])
///     .protocols(["chat.v2", "chat.v1"])
///     .ping_interval(Duration::from_secs(20));
/// let mut app = App::new();
/// app.map_ws_with("/chat", settings, async |mut socket: WebSocket| {
///     let _ = socket.send("hello").await;
/// });
/// # app.check().unwrap();
/// ```
pub use volga_ws::{OriginRule, WebSocketSettings};

/// The halves of a WebSocket, to send and receive at the same time.
///
/// ```
/// use volga::{App, error::Error, http::ws::WebSocket};
///
/// let mut app = App::new();
/// app.map_ws("/double", async |socket: WebSocket| {
///     let (mut sink, mut stream) = socket.split();
///     while let Some(number) = stream.recv_json::<u32>().await {
///         sink.send_json(&(number? * 2)).await?;
///     }
///     Ok::<(), Error>(())
/// });
/// # app.check().unwrap();
/// ```
pub use volga_ws::{WebSocketSink, WebSocketStream};

/// Why a WebSocket is closed.
///
/// ```
/// use volga::{App, http::ws::{CloseCode, WebSocket}};
///
/// let mut app = App::new();
/// app.map_ws("/once", async |mut socket: WebSocket| {
///     let _ = socket.recv().await;
///     socket.close(CloseCode::NORMAL);
///     println!("{:?}", socket.closed().await);
/// });
/// # app.check().unwrap();
/// ```
pub use volga_ws::{CloseCode, CloseReason, SocketEnd};

/// Sends what a hub's subscription delivers over a WebSocket.
///
/// ```
/// use volga::{App, di::Dc, error::Error, http::{sse::{Hub, Resume}, ws::{WebSocket, forward}}};
///
/// async fn news(socket: WebSocket, Resume(last): Resume, hub: Dc<Hub>) -> Result<(), Error> {
///     let (mut sink, _stream) = socket.split();
///     let mut news = hub.subscribe("news").resume(last).open()?;
///     forward(&mut sink, &mut news).await;
///     Ok(())
/// }
///
/// let mut app = App::new();
/// app.add_singleton(Hub::new());
/// app.map_ws("/news", news);
/// # app.check().unwrap();
/// ```
pub use volga_ws::{ForwardEnd, envelope, forward, read_resume};

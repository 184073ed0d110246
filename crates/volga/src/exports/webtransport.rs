//! WebTransport.

/// A WebTransport session: streams and datagrams in both directions.
///
/// ```
/// use volga::{App, http::webtransport::WebTransport};
///
/// let mut app = App::new();
/// app.map_webtransport("/ping", async |session: WebTransport| {
///     while let Some(datagram) = session.receive_datagram().await {
///         if session.send_datagram(datagram).is_err() {
///             break;
///         }
///     }
/// });
/// # app.check().unwrap();
/// ```
pub use volga_h3::{WebTransport, WebTransportDatagramError, WebTransportEndedError};

/// The halves of a stream of a session.
///
/// ```
/// use volga::{App, error::Error, http::webtransport::WebTransport};
///
/// let mut app = App::new();
/// app.map_webtransport("/upload", async |session: WebTransport| {
///     let Some(mut receive) = session.accept_unidirectional().await else { return Ok(()) };
///     let bytes = receive.read_to_end(1024 * 1024).await?;
///     let mut send = session.open_unidirectional().await?;
///     send.write_all(format!("{} bytes", bytes.len()).as_bytes()).await?;
///     send.finish().await?;
///     Ok::<(), Error>(())
/// });
/// # app.check().unwrap();
/// ```
pub use volga_h3::{WebTransportReceiveStream, WebTransportSendStream, WebTransportStreamError};

/// The settings of sessions.
///
/// ```
/// use volga::{App, http::webtransport::{WebTransport, WebTransportSettings}};
///
/// let settings = WebTransportSettings::new().origins(["https://app.example"]);
/// let mut app = App::new();
/// app.map_webtransport_with("/game", settings, async |session: WebTransport| {
///     session.closed().await;
/// });
/// # app.check().unwrap();
/// ```
pub use volga_h3::WebTransportSettings;

/// Why a session is closed.
///
/// ```
/// use volga::{App, http::webtransport::{WebTransport, WebTransportCloseInfo}};
///
/// let mut app = App::new();
/// app.map_webtransport("/full", async |_session: WebTransport| {
///     WebTransportCloseInfo::new(42, "the room is full")
/// });
/// # app.check().unwrap();
/// ```
pub use volga_h3::{WebTransportCloseInfo, WebTransportEnd};

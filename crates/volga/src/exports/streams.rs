//! Event streams: their messages, their settings, and clients that read them.

/// A message of an event stream: data, and perhaps a name, an ID, a reconnection time or a comment.
///
/// ```
/// use volga::http::sse::Message;
///
/// # fn main() -> Result<(), volga::http::sse::EncodeError> {
/// let message = Message::new().event("price").id("7").json([1, 2]);
/// assert_eq!(message.encode()?.as_bytes(), b"event: price\nid: 7\ndata: [1,2]\n\n");
/// assert!(Message::new().event("two\nlines").data("x").encode().is_err());
/// # Ok(())
/// # }
/// ```
pub use volga_sse::Message;

/// A message as bytes, for many readers: its clones share them.
///
/// ```
/// use volga::http::sse::Message;
///
/// # fn main() -> Result<(), volga::http::sse::EncodeError> {
/// let message = Message::new().data("one for all").encode()?;
/// let same = message.clone();
/// assert_eq!(message.as_bytes().as_ptr(), same.as_bytes().as_ptr());
/// # Ok(())
/// # }
/// ```
pub use volga_sse::EncodedMessage;

/// An ID or a name that has been checked, so that a message with it cannot fail.
///
/// ```
/// use volga::http::sse::{EventId, EventName, Message};
///
/// # fn main() -> Result<(), volga::http::sse::EncodeError> {
/// const PRICE: EventName = EventName::from_static("price");
/// let id = EventId::try_from("7".to_owned())?;
/// assert_eq!(Message::new().event(PRICE).id(id).encode()?.as_bytes(), b"event: price\nid: 7\n\n");
/// assert!(EventName::try_from("two\nlines".to_owned()).is_err());
/// # Ok(())
/// # }
/// ```
pub use volga_sse::{EventId, EventName};

/// An event stream with settings of its own. `sse!` makes the response.
///
/// ```
/// use std::time::Duration;
/// use volga::{HttpResult, http::sse::{Heartbeat, Hub, Message, Sse}, sse};
///
/// fn news(hub: &Hub) -> HttpResult {
///     sse!(Sse::new(hub.subscribe("news").open()?)
///         .retry(Duration::from_secs(1))
///         .heartbeat(Heartbeat::every(Duration::from_secs(30)))
///         .farewell(Message::new().event("bye").data(""))
///         .max_age(Duration::from_secs(3600), Duration::from_secs(600)))
/// }
/// # assert_eq!(news(&Hub::new()).unwrap().status(), 200);
/// ```
pub use volga_sse::{IntoSse, Sse, SseItem, SseSource};

/// The comments that a silent stream sends.
///
/// ```
/// use std::time::Duration;
/// use volga::{HttpResult, http::sse::{Heartbeat, Hub, Sse}, sse};
///
/// fn news(hub: &Hub) -> HttpResult {
///     let often = Heartbeat::every(Duration::from_secs(5)).blank_line();
///     sse!(Sse::new(hub.subscribe("news").open()?).heartbeat(often))
/// }
/// # assert_eq!(news(&Hub::new()).unwrap().status(), 200);
/// ```
pub use volga_sse::Heartbeat;

/// Open streams that you close together. An app has such a group for its shutdown; make one of your
/// own, for example, for each user.
///
/// ```
/// use volga::http::sse::{CloseGroup, Hub, Sse};
///
/// # fn main() -> Result<(), volga::error::Error> {
/// let of_anna = CloseGroup::new();
/// let stream = Sse::new(Hub::new().subscribe("news").open()?);
/// of_anna.add(&stream.close_handle());
/// assert_eq!(of_anna.open(), 1);
///
/// of_anna.close();
/// assert!(stream.close_handle().is_closed());
/// # Ok(())
/// # }
/// ```
pub use volga_sse::CloseGroup;

/// Closes one stream from anywhere, and observes its end.
///
/// ```
/// use volga::http::sse::{Hub, Sse};
///
/// # fn main() -> Result<(), volga::error::Error> {
/// let stream = Sse::new(Hub::new().subscribe("news").open()?);
/// let handle = stream.close_handle();
/// handle.on_end(|end| println!("{} messages were sent: {:?}", end.messages(), end.reason()));
/// handle.close();
/// assert!(handle.is_closed());
/// # Ok(())
/// # }
/// ```
pub use volga_sse::CloseHandle;

/// How a stream ended, for its observer.
///
/// ```
/// use volga::{HttpResult, http::sse::{EndReason, Hub, Sse}, sse};
///
/// fn news(hub: &Hub) -> HttpResult {
///     sse!(Sse::new(hub.subscribe("news").open()?).on_end(|end| match end.reason() {
///         EndReason::Failed => eprintln!("the stream failed: {:?}", end.cause()),
///         reason => println!("{reason:?} after {} bytes", end.bytes()),
///     }))
/// }
/// # assert_eq!(news(&Hub::new()).unwrap().status(), 200);
/// ```
pub use volga_sse::{EndReason, StreamEnd, StreamKind};

/// The place of a message in the logs of a hub. As text it is the message's event ID.
///
/// ```
/// use volga::http::sse::{Hub, Message, Position};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let position = Hub::new().publish("news", Message::new().data("one"))?;
/// assert_eq!(position.number(), 1);
/// assert_eq!(position.to_string().parse::<Position>()?, position);
/// # Ok(())
/// # }
/// ```
pub use volga_sse::Position;

/// How many event streams may be open: in total, and for each key.
///
/// ```
/// use volga::http::sse::{ReachedLimit, RefusalResponse, StreamLimit};
///
/// let limit = StreamLimit::new(1_000).with_max_per_key(1).with_refusal(RefusalResponse::RetryLater);
/// let permit = limit.take("anna").expect("the first one");
/// assert_eq!(limit.take("anna").unwrap_err().limit(), ReachedLimit::PerKey);
/// assert_eq!(limit.counts().open, 1);
/// drop(permit);
/// assert_eq!(limit.counts().open, 0);
/// ```
pub use volga_sse::{LimitCounts, Permit, ReachedLimit, RefusalResponse, StreamLimit};

/// Reads events from bytes, however the network has cut them.
///
/// ```
/// use volga::http::sse::Decoder;
///
/// # fn main() -> Result<(), volga::http::sse::DecodeError> {
/// let mut decoder = Decoder::new();
/// assert!(decoder.feed(b"id: 7\nda")?.is_empty());
/// let events = decoder.feed(b"ta: one\n\n")?;
/// assert_eq!((events[0].id(), events[0].data()), ("7", "one"));
/// assert_eq!(decoder.last_event_id(), "7");
/// # Ok(())
/// # }
/// ```
pub use volga_sse::Decoder;

/// An event as a client reads it.
///
/// ```
/// use volga::http::sse::Decoder;
///
/// # fn main() -> Result<(), volga::http::sse::DecodeError> {
/// let events = Decoder::new().feed(b"event: price\nid: 7\ndata: 61\n\n")?;
/// assert_eq!((events[0].event(), events[0].id(), events[0].data()), ("price", "7", "61"));
/// # Ok(())
/// # }
/// ```
pub use volga_sse::{Event, EventRef};

/// The events of a body, one by one. In a test, `TestResponse::events` returns one.
///
/// ```
/// use volga::{HttpBody, http::sse::EventStream};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), volga::http::sse::ReadError> {
/// let body = HttpBody::full("data: one\n\ndata: two\n\n");
/// let mut events: EventStream<HttpBody> = EventStream::new(body);
/// while let Some(event) = events.next().await {
///     println!("{}", event?.data());
/// }
/// # Ok(())
/// # }
/// ```
pub use volga_sse::EventStream;

/// The ID of the last event that a returning client has. In a handler, take
/// [`Resume`](crate::http::sse::Resume) instead.
///
/// ```
/// use volga::http::{HeaderMap, sse::{LastEventId, LastEventIdSource}};
///
/// let source = LastEventIdSource::new().with_parameter("lastEventId");
/// let last = source.read(&HeaderMap::new(), Some("lastEventId=7"));
/// assert_eq!(last.as_ref().map(LastEventId::as_str), Some("7"));
/// ```
pub use volga_sse::{LastEventId, LastEventIdSource};

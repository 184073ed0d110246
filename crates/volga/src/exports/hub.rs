//! The hub, and what its clients get.

/// Publishes messages to everybody who subscribes to their topic. Add one to the app, and take it
/// as `Dc<Hub>`.
///
/// ```
/// use volga::{App, created, di::Dc, http::sse::{Hub, Message, Resume}, sse};
///
/// let mut app = App::new();
/// app.add_singleton(Hub::new());
/// app.map_post("/news/{text}", async |text: String, hub: Dc<Hub>| {
///     hub.publish("news", Message::new().data(text))?;
///     created!()
/// });
/// app.map_get("/news", async |Resume(last): Resume, hub: Dc<Hub>| {
///     sse!(hub.subscribe("news").resume(last).open()?)
/// });
/// # app.check().unwrap();
/// ```
pub use volga_sse::hub::Hub;

/// The settings of a hub.
///
/// ```
/// use std::time::Duration;
/// use volga::http::sse::{Hub, Policy};
///
/// let hub = Hub::builder()
///     .max_messages(200)
///     .max_bytes(256 * 1024)
///     .max_age(Duration::from_secs(600))
///     .policy(Policy::close())
///     .presence_grace(Duration::from_secs(10))
///     .build();
/// # assert_eq!(hub.stats().subscribers, 0);
/// ```
pub use volga_sse::hub::HubBuilder;

/// What a client subscribes to: one or several topics, where it resumes, and how much it gets
/// first.
///
/// ```
/// use volga::http::sse::{Hub, Message};
///
/// # fn main() -> Result<(), volga::error::Error> {
/// let hub = Hub::new();
/// let last = hub.publish("user.anna", Message::new().data("hello"))?;
/// let subscription = hub
///     .subscribe(["user.anna", "news.*"])
///     .resume(last)
///     .history(20)
///     .identity("anna")
///     .open()?;
/// assert_eq!(subscription.position(), last);
/// # Ok(())
/// # }
/// ```
pub use volga_sse::hub::{ResumeFrom, Subscribe, Topics};

/// A client's place in its topics. `sse!` sends it; with `next` you read it yourself.
///
/// ```
/// use volga::http::sse::{Delivery, Hub, Message};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), volga::error::Error> {
/// let hub = Hub::new();
/// let mut news = hub.subscribe("news").open()?;
/// hub.publish("news", Message::new().data("It rains"))?;
///
/// let Some(Delivery::Message(message)) = news.next().await else { panic!("a message") };
/// assert!(message.as_bytes().starts_with(b"data: It rains\n"));
/// hub.close();
/// assert!(news.next().await.is_none());
/// assert!(news.end().is_some());
/// # Ok(())
/// # }
/// ```
pub use volga_sse::hub::Subscription;

/// What a subscription delivers: a message, or a gap in place of those that are missing. Both can
/// be sent on a stream.
///
/// ```
/// use volga::{App, di::Dc, http::sse::{Delivery, Hub, Message}, sse, sse_stream};
///
/// let mut app = App::new();
/// app.add_singleton(Hub::new());
/// app.map_get("/orders", async |hub: Dc<Hub>| {
///     let mut orders = hub.subscribe("orders").open()?;
///     sse!(sse_stream! {
///         while let Some(delivery) = orders.next().await {
///             if let Delivery::Gap(gap) = &delivery {
///                 println!("the client missed messages up to {}", gap.through());
///             }
///             yield delivery;
///         }
///     })
/// });
/// # app.check().unwrap();
/// ```
pub use volga_sse::hub::{Delivery, Gap};

/// The policy for a reader that is slower than its topic.
///
/// ```
/// use volga::http::sse::{Hub, Policy};
///
/// # fn main() -> Result<(), volga::error::Error> {
/// // Slow readers of this hub get a gap, which is the default of every hub.
/// let hub = Hub::builder().policy(Policy::Gap).build();
/// // The stream of this reader ends instead, and it may return.
/// let strict = hub.subscribe("orders").policy(Policy::close()).open()?;
/// # drop(strict);
/// # Ok(())
/// # }
/// ```
pub use volga_sse::hub::Policy;

/// Whether clients may open topics by their names.
///
/// ```
/// use volga::http::sse::{Hub, TopicCreation};
///
/// # fn main() -> Result<(), volga::error::Error> {
/// let hub = Hub::builder().topic_creation(TopicCreation::Explicit).build();
/// hub.create_topic("room.lounge")?;
/// assert!(hub.subscribe("room.lounge").open().is_ok());
/// assert!(hub.subscribe("room.nonsense").open().is_err());
/// # Ok(())
/// # }
/// ```
pub use volga_sse::hub::TopicCreation;

/// Who is present in a topic, and each change of it.
///
/// ```
/// use volga::http::sse::{Hub, PresenceEvent};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), volga::error::Error> {
/// let hub = Hub::new();
/// let mut people = hub.watch_presence("room.lounge")?;
/// assert!(matches!(people.next().await, Some(PresenceEvent::Present(all)) if all.is_empty()));
/// let anna = hub.subscribe("room.lounge").identity("anna").open()?;
/// assert_eq!(people.next().await, Some(PresenceEvent::Joined("anna".into())));
/// drop(anna);
/// assert_eq!(people.next().await, Some(PresenceEvent::Left("anna".into())));
/// # Ok(())
/// # }
/// ```
pub use volga_sse::hub::{PresenceEvent, PresenceWatch};

/// The numbers of a hub and of one topic.
///
/// ```
/// use volga::http::sse::{Hub, Message};
///
/// # fn main() -> Result<(), volga::error::Error> {
/// let hub = Hub::new();
/// hub.publish("news", Message::new().data("one"))?;
/// assert_eq!(hub.stats().published, 1);
/// assert!(hub.topic_stats("news").is_some());
/// # Ok(())
/// # }
/// ```
pub use volga_sse::hub::{HubStats, TopicStats};

/// A subscription as a `Stream`, for combinators such as `map`.
///
/// ```
/// use futures_util::StreamExt;
/// use volga::{HttpResult, http::sse::Hub, sse};
///
/// fn first_hundred(hub: &Hub) -> HttpResult {
///     sse!(hub.subscribe("news").open()?.deliveries().take(100))
/// }
/// # assert_eq!(first_hundred(&Hub::new()).unwrap().status(), 200);
/// ```
pub use volga_sse::hub::Deliveries;

/// Why a subscription has ended.
///
/// ```
/// use volga::http::sse::{Hub, SubscriptionEnd};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), volga::error::Error> {
/// let hub = Hub::new();
/// let mut tab = hub.subscribe("user.anna").identity("anna").open()?;
/// hub.close_identity("anna");
/// assert!(tab.next().await.is_none());
/// assert_eq!(tab.end(), Some(SubscriptionEnd::IdentityClosed));
/// # Ok(())
/// # }
/// ```
pub use volga_sse::hub::SubscriptionEnd;

/// Says whether a subscription has ended, also while the code that reads it is not running. Pass it
/// to `Sse::end_with` for a stream of your own.
///
/// ```
/// use volga::{App, di::Dc, http::sse::{EndWatch, Hub, Policy, Resume, Sse}, sse, sse_stream};
///
/// let mut app = App::new();
/// app.add_singleton(Hub::builder().policy(Policy::close()).build());
/// app.map_get("/orders", async |Resume(last): Resume, hub: Dc<Hub>| {
///     let mut orders = hub.subscribe("orders.*").resume(last).open()?;
///     let end: EndWatch = orders.watch_end();
///     let stream = sse_stream! {
///         while let Some(delivery) = orders.next().await {
///             yield delivery;
///         }
///     };
///     sse!(Sse::new(stream).end_with(end))
/// });
/// # app.check().unwrap();
/// ```
pub use volga_sse::hub::EndWatch;

/// The change that a message makes to the value of its key in a keyed topic.
///
/// ```
/// use volga::http::sse::{Hub, Message};
///
/// # fn main() -> Result<(), volga::error::Error> {
/// let hub = Hub::builder().keyed("prices", 1_000)?.build();
/// hub.publish_keyed("prices", "AQUA", Message::new().data("61"))?;
/// hub.remove_key("prices", "AQUA", Message::new().event("removed").data("AQUA"))?;
/// # Ok(())
/// # }
/// ```
pub use volga_sse::hub::KeyChange;

/// A message on its way, and the receipt that says how many machines have it.
///
/// ```
/// use volga::http::sse::{Hub, Message, Receipt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), volga::error::Error> {
/// let hub = Hub::new();
/// let paid = Message::new().data("paid");
/// let receipt: Receipt = hub.send("orders", paid).retry_key("order 7").await?;
/// assert_eq!(receipt.machines, 1);
/// # Ok(())
/// # }
/// ```
pub use volga_sse::hub::{Receipt, SendMessage};

/// Whether a hub that several nodes share has what its engine has. A hub of one process is always
/// live.
///
/// ```
/// use volga::http::sse::{Hub, RelayState, RelayWatch};
///
/// let hub = Hub::new();
/// let relay: RelayWatch = hub.watch_relay();
/// assert_eq!(relay.state(), RelayState::Live);
/// assert!(hub.is_ready());
/// ```
pub use volga_sse::hub::{RelayState, RelayWatch};

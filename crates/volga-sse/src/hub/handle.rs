//! `Hub`: what applications hold.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::codec::message::Message;
use crate::codec::position::Position;
use crate::hub::builder::HubBuilder;
use crate::hub::error::{CreateTopicError, PublishError};
use crate::hub::presence::watch::PresenceWatch;
use crate::hub::settings::HubSettings;
use crate::hub::state::hub_state::HubState;
use crate::hub::stats::{HubStats, TopicStats};
use crate::hub::subscription::arguments::Topics;
use crate::hub::subscription::subscribe::Subscribe;
use crate::hub::topic::key_table::KeyChange;
use crate::hub::topic::name::{TopicError, check_name};

/// Topics, those who publish to them, and those who subscribe. See the [module](super) for what it
/// promises.
///
/// Clones are the same hub. It has no task of its own and needs no runtime.
#[derive(Clone)]
pub struct Hub(Arc<HubState>);

impl Hub {
    /// A hub with the default bounds.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A hub with other bounds, or with keyed topics.
    pub fn builder() -> HubBuilder {
        HubBuilder::new()
    }

    pub(crate) fn with(settings: HubSettings) -> Self {
        Self(Arc::new(HubState::new(settings)))
    }

    /// Publishes a message: it gets the next position of the hub, which is also its event ID, in
    /// place of any that was set. All subscribers of the topic are woken.
    ///
    /// A topic begins with its first message or subscriber, unless [`HubBuilder::topic_creation`]
    /// says otherwise. Publishing never waits, however slow subscribers are.
    ///
    /// # Errors
    ///
    /// What is wrong with the name or the message, or which bound is reached. Nothing has changed
    /// then.
    pub fn publish(&self, topic: &str, message: Message) -> Result<Position, PublishError> {
        self.0.publish(topic, message, KeyChange::None)
    }

    /// Publishes several messages to one topic, one right after the other: either all, or none if
    /// one of them is invalid. Gives the position of the last one, or `None` without messages. The
    /// positions of the others are the numbers before it.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_many(
        &self,
        topic: &str,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<Option<Position>, PublishError> {
        self.0.publish_many(topic, messages)
    }

    /// Publishes a message as the newest of its key, to a topic that is [keyed](HubBuilder::keyed).
    ///
    /// ```
    /// use volga_sse::{Message, hub::Hub};
    ///
    /// let hub = Hub::builder().keyed("ticker", 100)?.build();
    /// hub.publish_keyed("ticker", "AAPL", Message::new().data("7.20"))?;
    /// hub.publish_keyed("ticker", "AAPL", Message::new().data("7.25"))?;
    ///
    /// // Who is new gets the newest message of each key, and then whatever comes.
    /// let subscription = hub.subscribe("ticker").open()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish); and if the topic is not keyed, or has its maximum of keys and
    /// this one is new.
    pub fn publish_keyed(
        &self,
        topic: &str,
        key: &str,
        message: Message,
    ) -> Result<Position, PublishError> {
        self.0.publish(topic, message, KeyChange::Set(key))
    }

    /// Removes a key: those who come later get nothing of it, and `message` tells those who are
    /// here.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish), and if the topic is not keyed. A key that is not there is no
    /// error.
    pub fn remove_key(
        &self,
        topic: &str,
        key: &str,
        message: Message,
    ) -> Result<Position, PublishError> {
        self.0.publish(topic, message, KeyChange::Remove(key))
    }

    /// Takes a message in at the position that its source gave it, in a hub that is
    /// [relayed](HubBuilder::relay).
    ///
    /// Positions are consecutive numbers. What comes again is ignored; what comes early waits for
    /// what is before it, up to [`max_reordered`](HubBuilder::max_reordered) messages. Then what is
    /// missing counts as lost, and every subscription is told of a gap. So is one whose message has
    /// no room in this hub.
    ///
    /// **Unstable**: this is here for logs that several nodes share, and will change with them.
    ///
    /// # Errors
    ///
    /// What is wrong with the position, the name, the key or the message. The position is then as
    /// if the message had not come.
    pub fn publish_at(
        &self,
        position: Position,
        topic: &str,
        key: KeyChange<'_>,
        message: Message,
    ) -> Result<(), PublishError> {
        self.0.publish_at(position, topic, message, key)
    }

    /// Says that nothing comes any more up to this position: what is missing there is lost. For a
    /// source that knows it.
    ///
    /// **Unstable**: as [`publish_at`](Self::publish_at).
    ///
    /// # Errors
    ///
    /// The hub is not relayed, or of another epoch, or closed.
    pub fn skip_to(&self, position: Position) -> Result<(), PublishError> {
        self.0.skip_to(position)
    }

    /// A subscription to topics: a name or pattern, or a list of them, each message once however
    /// many of them match.
    ///
    /// ```
    /// # use volga_sse::{Sse, LastEventId, hub::Hub};
    /// # fn handler(hub: Hub, last_event_id: Option<LastEventId>) -> Result<(), Box<dyn std::error::Error>> {
    /// let everything = hub.subscribe(">").open()?;
    /// let some = hub.subscribe(["chat.lobby", "users.7.>"]).resume(last_event_id).open()?;
    /// let response = Sse::new(some).into_response();
    /// # Ok(()) }
    /// # handler(Hub::new(), None).unwrap();
    /// ```
    pub fn subscribe(&self, topics: impl Topics) -> Subscribe<'_> {
        Subscribe::new(&self.0, topics.into_topics())
    }

    /// Creates a topic that stays without messages and without subscribers, until
    /// [`remove_topic`](Self::remove_topic). A topic that exists already stays from now on.
    ///
    /// Whatever [`HubBuilder::topic_creation`] says, this creates topics.
    ///
    /// # Errors
    ///
    /// The name is invalid, the hub is closed, or it has its [maximum of
    /// topics](HubBuilder::max_topics) and none of them may go.
    pub fn create_topic(&self, topic: &str) -> Result<(), CreateTopicError> {
        check_name(topic, self.0.settings.max_topic_name)?;
        let now = self.0.clock.now();
        self.0.lock().create_topic(topic, &self.0.settings, now)
    }

    /// Removes a topic with its messages and the values of its keys, however it was created. False
    /// if there was none.
    ///
    /// Open subscriptions stay open. One that has not read the last messages is told of a gap, and
    /// one that returns later is told as well. While somebody subscribes to the topic's name,
    /// [`topics`](Self::topics) still lists it. In a hub with
    /// [`TopicCreation::Explicit`](crate::hub::TopicCreation::Explicit), publishing to it is refused
    /// from now on, and so are new subscriptions to its name.
    ///
    /// ```
    /// use volga_sse::hub::Hub;
    ///
    /// let hub = Hub::new();
    /// hub.create_topic("room.lounge")?;
    /// assert_eq!(hub.topics(), ["room.lounge".into()]);
    /// assert!(hub.remove_topic("room.lounge"));
    /// assert!(hub.topics().is_empty());
    /// # Ok::<(), volga_sse::hub::CreateTopicError>(())
    /// ```
    pub fn remove_topic(&self, topic: &str) -> bool {
        let now = self.0.clock.now();
        self.0.lock().remove_topic(topic, &self.0.settings, now)
    }

    /// Closes the hub: nothing can be published any more, and each subscription ends when it has
    /// delivered what was published before.
    pub fn close(&self) {
        self.0.close();
    }

    /// Ends all subscriptions of an [identity](Subscribe::identity), who has logged out, say; gives
    /// their number. They end at once, without what was published and not yet delivered.
    pub fn close_identity(&self, identity: &str) -> usize {
        self.0.close_identity(identity)
    }

    /// Who subscribes to a topic: each [identity](Subscribe::identity) with the number of its
    /// subscriptions, those by pattern included.
    #[must_use]
    pub fn presence(&self, topic: &str) -> BTreeMap<Arc<str>, usize> {
        self.0.lock().present(topic)
    }

    /// Watches who subscribes to a topic: first who is there, then who comes and who leaves.
    ///
    /// ```
    /// use volga_sse::hub::{Hub, PresenceEvent};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = Hub::new();
    /// let mut lobby = hub.watch_presence("chat.lobby")?;
    /// let anna = hub.subscribe("chat.*").identity("anna").open()?;
    /// let in_lobby = hub.subscribe("chat.lobby").identity("ben").open()?;
    /// assert_eq!(lobby.next().await, PresenceEvent::Present([].into()));
    /// assert_eq!(lobby.next().await, PresenceEvent::Joined("anna".into()));
    /// assert_eq!(lobby.next().await, PresenceEvent::Joined("ben".into()));
    /// drop(in_lobby);
    /// assert_eq!(lobby.next().await, PresenceEvent::Left("ben".into()));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The topic has no valid name.
    pub fn watch_presence(&self, topic: &str) -> Result<PresenceWatch, TopicError> {
        check_name(topic, self.0.settings.max_topic_name)?;
        let topic: Arc<str> = topic.into();
        let (handle, queue) = self.0.lock().watch_presence(&topic);
        Ok(PresenceWatch::new(Arc::clone(&self.0), topic, handle, queue))
    }

    /// What the hub does and holds, now. It looks at every topic, so it is for a person or a
    /// monitor, and not for every request.
    #[must_use]
    pub fn stats(&self) -> HubStats {
        self.0.stats()
    }

    /// What a topic does and holds, now; `None` if it is not there.
    #[must_use]
    pub fn topic_stats(&self, topic: &str) -> Option<TopicStats> {
        self.0.topic_stats(topic)
    }

    /// The names of the topics that there are, in order.
    #[must_use]
    pub fn topics(&self) -> Vec<Arc<str>> {
        self.0.sweep_all();
        self.0.lock().registry.topics().map(|topic| Arc::clone(&topic.name)).collect()
    }

    /// The position of the last message that was published, or one before the first.
    #[must_use]
    pub fn position(&self) -> Position {
        self.0.position(self.0.horizon())
    }
}

impl HubBuilder {
    /// The hub.
    #[must_use]
    pub fn build(self) -> Hub {
        Hub::with(self.settings)
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("position", &self.position()).finish_non_exhaustive()
    }
}

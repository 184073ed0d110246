//! `Hub`: the handle that applications hold.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use crate::codec::message::Message;
use crate::codec::position::Position;
use crate::hub::builder::HubBuilder;
use crate::hub::clock::milliseconds;
use crate::hub::error::{CreateTopicError, PublishError};
use crate::hub::presence::announcement::MAX_SHARED_IDENTITY;
use crate::hub::presence::watch::PresenceWatch;
use crate::hub::relay::adapter::{Append, Receipt, Relay};
use crate::hub::relay::control::Control;
use crate::hub::relay::error::SendError;
use crate::hub::relay::feed::Feed;
use crate::hub::relay::send::{SendMessage, Sending};
use crate::hub::relay::shared_hub::SharedHub;
use crate::hub::relay::state::{RelayState, RelayWatch};
use crate::hub::settings::DEFAULT_SHARED_PRESENCE_GRACE;
use crate::hub::state::hub_state::HubState;
use crate::hub::stats::{HubStats, TopicStats};
use crate::hub::subscription::arguments::Topics;
use crate::hub::subscription::subscribe::Subscribe;
use crate::hub::topic::key_table::KeyChange;
use crate::hub::topic::name::{TopicError, check_name};

/// A hub, to which you publish messages and from which clients subscribe. See the [module](super)
/// for what it guarantees.
///
/// Clones are handles of the same hub. A hub needs no runtime. If you publish in a task of
/// tokio to a topic with many subscribers, another task of its runtime wakes them while the hub is
/// busy.
#[derive(Clone)]
pub struct Hub(Arc<HubState>);

impl Hub {
    /// Creates a hub with the default bounds.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Returns a builder, for other bounds or for keyed topics.
    pub fn builder() -> HubBuilder {
        HubBuilder::new()
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn state(&self) -> &Arc<HubState> {
        &self.0
    }

    /// Publishes a message to a topic and wakes the topic's subscribers. Publishing never waits,
    /// however slow the subscribers are.
    ///
    /// The message gets the next position of the hub. The position is also its event ID and
    /// replaces any ID that you set.
    ///
    /// If the topic does not exist, it is created, unless [`HubBuilder::topic_creation`] forbids
    /// it.
    ///
    /// # Errors
    ///
    /// Returns an error if the name or the message is invalid, if a bound is reached, or if the hub
    /// is closed. Nothing has changed then.
    pub fn publish(&self, topic: &str, message: Message) -> Result<Position, PublishError> {
        self.0.publish(topic, message, KeyChange::None)
    }

    /// Publishes several messages to one topic, one right after the other. Either all of them are
    /// published, or none if one of them is invalid.
    ///
    /// Returns the position of the last one, or `None` without messages. The messages have
    /// consecutive positions.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish). Also if a topic's log cannot hold all of the messages,
    /// because every subscriber would then miss the first ones. No more messages are taken from the
    /// iterator than are needed to know it.
    pub fn publish_many(
        &self,
        topic: &str,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<Option<Position>, PublishError> {
        self.0.publish_many(topic, messages)
    }

    /// Publishes a message as the newest one of its key. The topic must be
    /// [keyed](HubBuilder::keyed).
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
    /// As [`publish`](Self::publish). Also if the topic is not keyed, or if the key is new and the
    /// topic already has its maximum number of keys.
    pub fn publish_keyed(
        &self,
        topic: &str,
        key: &str,
        message: Message,
    ) -> Result<Position, PublishError> {
        self.0.publish(topic, message, KeyChange::Set(key))
    }

    /// Removes a key. Clients that subscribe later do not receive its value any more; subscribers
    /// that are connected now receive `message`.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish), and if the topic is not keyed. Removing a key that has no
    /// value is not an error.
    pub fn remove_key(
        &self,
        topic: &str,
        key: &str,
        message: Message,
    ) -> Result<Position, PublishError> {
        self.0.publish(topic, message, KeyChange::Remove(key))
    }

    /// Publishes a message, and waits until it is published. This works for every hub, also for one
    /// that several nodes [share](HubBuilder::build_shared).
    ///
    /// The receipt says how many machines have the message. In a shared hub, the subscribers of
    /// every node receive the message in the same order, those of this node included.
    ///
    /// ```
    /// use volga_sse::{Message, hub::Hub};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = Hub::builder().keyed("ticker", 100)?.build();
    /// let receipt = hub.send("chat", Message::new().data("hello")).await?;
    /// assert_eq!(receipt.machines, 1);
    ///
    /// // The newest message of a key; and a message that may be sent again, but is published once.
    /// hub.send("ticker", Message::new().data("7.20")).key("AAPL").await?;
    /// let first = hub.send("orders", Message::new().data("paid")).retry_key("order 7").await?;
    /// let again = hub.send("orders", Message::new().data("paid")).retry_key("order 7").await?;
    /// assert_eq!(first, again);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`SendError::Refused`](crate::hub::SendError::Refused) for a message that
    /// [`publish`](Self::publish) would refuse. In a shared hub,
    /// [`NotSent`](crate::hub::SendError::NotSent) says that the message was surely not published,
    /// and [`Unknown`](crate::hub::SendError::Unknown) that it may have been.
    ///
    /// # Cancel safety
    ///
    /// In a shared hub, a message whose future is dropped may be published or not.
    pub fn send(&self, topic: &str, message: Message) -> SendMessage {
        SendMessage::new(Arc::clone(&self.0), topic.into(), message)
    }

    /// Prepares a subscription to topics: a name or a pattern, or a list of them. Each message is
    /// delivered once, even if several of them match its topic.
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

    /// Creates a topic that stays until you [remove](Self::remove_topic) it, even without messages
    /// and subscribers. If the topic exists, it stays from now on. This works with every setting of
    /// [`HubBuilder::topic_creation`].
    ///
    /// # Errors
    ///
    /// Returns an error if the name is invalid, if the hub is closed, or if the hub has its
    /// [maximum number of topics](HubBuilder::max_topics) and none of them may make room.
    pub fn create_topic(&self, topic: &str) -> Result<(), CreateTopicError> {
        check_name(topic, self.0.settings.max_topic_name)?;
        let now = self.0.clock.now();
        self.0.lock().create_topic(topic, &self.0.settings, now)
    }

    /// Removes a topic with its messages and the values of its keys, however it was created.
    /// Returns false if the topic does not exist.
    ///
    /// Open subscriptions stay open. A subscription that has not read the last messages is told of
    /// a gap, or ends with [`Policy::Close`](crate::hub::Policy::Close). A client that resumes
    /// later is told of a gap as well. If keys of the topic have values, every
    /// subscription is told of a gap with a [snapshot](crate::hub::Gap::has_snapshot), after which
    /// a page knows that the values are gone. This gap takes a position of the hub. (A
    /// [shared](HubBuilder::build_shared) hub gives no positions. There, this node alone removes
    /// the topic, and only subscriptions that have not read everything are told. The engine still
    /// has the messages, and a node that starts later reads them.) While somebody subscribes to the
    /// topic's name, [`topics`](Self::topics) still lists it. In a hub with
    /// [`TopicCreation::Explicit`](crate::hub::TopicCreation::Explicit), publishing to the topic
    /// and new subscriptions to its name fail from now on.
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
        self.0.remove_topic(topic)
    }

    /// Closes the hub. In a [shared](HubBuilder::build_shared) hub this concerns this node alone:
    /// clients can go to the others. Publishing fails from now on. Each subscription ends after it
    /// has delivered what was published before, and each [`PresenceWatch`] after the changes
    /// before.
    ///
    /// An event stream of a subscription ends with its farewell, which spreads the returns of the
    /// clients over time. [`HubBuilder::closed_response`] says what they get when they return.
    pub fn close(&self) {
        self.0.close();
    }

    /// Ends all subscriptions of an [identity](Subscribe::identity), for example when a user logs
    /// out. Returns their number. They end at once, and messages that are not delivered yet are not
    /// delivered any more.
    ///
    /// The identity also leaves [presence](Self::presence) at once, without the
    /// [grace](HubBuilder::presence_grace). Subscriptions that open afterwards join as usual, so
    /// end the session of the user first.
    ///
    /// In a [shared](HubBuilder::build_shared) hub this concerns this node alone.
    /// [`send_close_identity`](Self::send_close_identity) works for every hub.
    pub fn close_identity(&self, identity: &str) -> usize {
        self.0.close_identity(identity)
    }

    /// Ends all subscriptions of an [identity](Subscribe::identity) on every node that
    /// [shares](HubBuilder::build_shared) the hub, and waits until all nodes will do so. In any
    /// other hub this is [`close_identity`](Self::close_identity).
    ///
    /// On this node they end at once. On the other nodes they end in the order of the log: before
    /// that, they may get what was sent earlier, and they get nothing that is sent after this has
    /// finished. A subscription that begins before its node has come to this point ends as well,
    /// and its client can return. A node that has missed messages of the engine ends all
    /// subscriptions that have an identity, with
    /// [`MissedClose`](crate::hub::SubscriptionEnd::MissedClose), because one of these messages may
    /// have been this one.
    ///
    /// The identity leaves [presence](Self::presence) on all nodes without the
    /// [grace](HubBuilder::presence_grace), on other nodes within about a second.
    ///
    /// The call begins at once, and its result is the one of [`send`](Self::send). You may repeat a
    /// call that has failed. It also works after [`close`](Self::close), so a request that signs a
    /// user out while the server shuts down succeeds.
    ///
    /// ```
    /// use volga_sse::hub::{Hub, SubscriptionEnd};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = Hub::new();
    /// let tab = hub.subscribe("user.anna").identity("anna").open()?;
    /// hub.send_close_identity("anna").await?;
    /// assert_eq!(tab.end(), Some(SubscriptionEnd::IdentityClosed));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The result is an error as in [`send`](Self::send). The subscriptions of this node have ended
    /// also then. In a shared hub it is [`Refused`](crate::hub::SendError::Refused) if the identity
    /// is longer than [`MAX_SHARED_IDENTITY`](crate::hub::MAX_SHARED_IDENTITY).
    pub fn send_close_identity(&self, identity: &str) -> Sending {
        self.0.close_identity(identity);
        let Some(shared) = &self.0.shared else {
            return Sending::done(Ok(Receipt::new(self.position(), 1)));
        };
        if identity.len() > MAX_SHARED_IDENTITY {
            let error = PublishError::IdentityTooLong { max: MAX_SHARED_IDENTITY };
            return Sending::done(Err(SendError::Refused(error)));
        }
        Sending::started(shared, Append::of_control(&Control::CloseIdentity(identity.into())))
    }

    /// Returns the [identities](Subscribe::identity) that subscribe to a topic, each with the
    /// number of its subscriptions. Subscriptions by pattern count as well, whether the topic
    /// exists or not. An identity that has left and may
    /// [still return](HubBuilder::presence_grace) has no subscription.
    ///
    /// In a [shared](HubBuilder::build_shared) hub, this includes the identities on other nodes, if
    /// the crate that connects the engine announces them. All subscriptions of an identity on
    /// another node count as one. What happens on another node is known here a moment later. The
    /// identities of a node that dies are gone after the [lease](HubBuilder::presence_lease).
    #[must_use]
    pub fn presence(&self, topic: &str) -> BTreeMap<Arc<str>, usize> {
        self.0.present(topic)
    }

    /// Watches who subscribes to a topic. The first event lists the identities that are present;
    /// later events report each one that joins or leaves. The watch ends
    /// when the hub closes. With a [grace](HubBuilder::presence_grace), a client that reconnects
    /// neither leaves nor joins. The topic need not exist, and nobody joins or leaves because the
    /// topic is created or removed.
    ///
    /// ```
    /// use volga_sse::hub::{Hub, PresenceEvent};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = Hub::new();
    /// let mut lobby = hub.watch_presence("chat.lobby")?;
    /// let anna = hub.subscribe("chat.*").identity("anna").open()?;
    /// let in_lobby = hub.subscribe("chat.lobby").identity("ben").open()?;
    /// assert_eq!(lobby.next().await, Some(PresenceEvent::Present([].into())));
    /// assert_eq!(lobby.next().await, Some(PresenceEvent::Joined("anna".into())));
    /// assert_eq!(lobby.next().await, Some(PresenceEvent::Joined("ben".into())));
    /// drop(in_lobby);
    /// assert_eq!(lobby.next().await, Some(PresenceEvent::Left("ben".into())));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the name is invalid.
    pub fn watch_presence(&self, topic: &str) -> Result<PresenceWatch, TopicError> {
        check_name(topic, self.0.settings.max_topic_name)?;
        let topic: Arc<str> = topic.into();
        Ok(PresenceWatch::new(Arc::clone(&self.0), topic))
    }

    /// Drops everything that has expired.
    ///
    /// You need this only for a hub that is not used at all for a long time: nobody publishes or
    /// subscribes, and no event stream or WebSocket of a subscription is open. Any of these drops
    /// what has expired as well, event streams at their heartbeats and WebSockets at their pings. A
    /// subscription that your own code waits for, in a task without a stream, does not.
    pub fn drop_expired(&self) {
        self.0.sweep_all();
    }

    /// Returns the statistics of the hub. This reads the numbers of every topic, so call it for a
    /// person or a monitoring system, not for every request.
    ///
    /// Publishers do not wait for it: it reads a few topics at a time. So while the hub is used,
    /// the numbers are not all from one moment. Topics that come or go meanwhile may be missing or
    /// there. The counts of events never go back.
    #[must_use]
    pub fn stats(&self) -> HubStats {
        self.0.stats()
    }

    /// Returns the statistics of a topic, or `None` if the topic does not exist.
    #[must_use]
    pub fn topic_stats(&self, topic: &str) -> Option<TopicStats> {
        self.0.topic_stats(topic)
    }

    /// Returns the names of all topics, sorted. Publishers do not wait for it: it copies a few
    /// names at a time. Each topic that is there from the start to the end of the call is in the
    /// list. A topic that comes or goes meanwhile may be missing or there.
    #[must_use]
    pub fn topics(&self) -> Vec<Arc<str>> {
        self.0.sweep_all();
        let mut names = Vec::new();
        self.0.walk_all(|topic| names.push(Arc::clone(&topic.name)));
        names
    }

    /// Whether clients of this node get what they come for. A shared hub is not ready while it
    /// reads what its engine holds, and while it has lost its engine. Other hubs are always ready.
    ///
    /// Use it for the readiness of a node behind a load balancer.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.relay_state() == RelayState::Live
    }

    /// Whether a [shared](HubBuilder::build_shared) hub has what the engine behind it has.
    #[must_use]
    pub fn relay_state(&self) -> RelayState {
        self.0.shared.as_ref().map_or(RelayState::Live, |shared| shared.state())
    }

    /// Watches [`relay_state`](Self::relay_state), for example for a log or an alarm.
    #[must_use]
    pub fn watch_relay(&self) -> RelayWatch {
        RelayWatch(match &self.0.shared {
            Some(shared) => shared.state.subscribe(),
            None => watch::channel(RelayState::Live).1,
        })
    }

    /// Returns the position of the last message that was published. Before the first message, this
    /// is the position before it.
    ///
    /// Take it before you read your own store, and let the client resume from it. Then the client
    /// gets every change that is not in what you have read.
    ///
    /// ```
    /// # use volga_sse::{Message, hub::{Delivery, Hub}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = Hub::new();
    /// let at = hub.position();
    /// // Read the store here. Meanwhile it changes:
    /// let changed = hub.publish("user.anna", Message::new().data("one more"))?;
    /// let mut changes = hub.subscribe("user.anna").resume(at).open()?;
    /// let Some(Delivery::Message(change)) = changes.next().await else { panic!() };
    /// assert_eq!(change.position(), Some(changed));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn position(&self) -> Position {
        self.0.position(self.0.horizon())
    }
}

impl HubBuilder {
    /// Builds the hub.
    #[must_use]
    pub fn build(self) -> Hub {
        let mut settings = self.settings;
        settings.presence_grace = self.presence_grace.unwrap_or(0);
        Hub(Arc::new(HubState::new(settings, None)))
    }

    /// Builds a hub that several nodes share, and the feed that fills it. A crate that connects an
    /// engine calls this, with its own [`Relay`]; an application calls that crate.
    ///
    /// The engine keeps one ordered log for all nodes, and gives the positions. So a client may
    /// resume on any node. [`Hub::send`] publishes; [`Hub::publish`] and its relatives fail.
    #[must_use]
    pub fn build_shared(self, relay: impl Relay) -> (Hub, Feed) {
        let shared = Arc::new(SharedHub::new(Arc::new(relay)));
        let mut settings = self.settings;
        let grace = milliseconds(DEFAULT_SHARED_PRESENCE_GRACE);
        settings.presence_grace = self.presence_grace.unwrap_or(grace);
        let state = Arc::new(HubState::new(settings, Some(Arc::clone(&shared))));
        state.lock().presence.share();
        (Hub(Arc::clone(&state)), Feed::new(state, shared))
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

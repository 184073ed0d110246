//! The builder that sets the bounds of a hub.

use std::time::Duration;

use crate::codec::error::EncodeError;
use crate::codec::field::check_reserved_name;
use crate::hub::clock::milliseconds;
use crate::hub::policy::Policy;
use crate::hub::presence::sharing::MAX_LEASE;
#[cfg(doc)]
use crate::hub::settings::DEFAULT_SHARED_PRESENCE_GRACE;
use crate::hub::settings::{
    DEFAULT_MAX_AGE, DEFAULT_MAX_BYTES, DEFAULT_MAX_KEY, DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_MAX_MESSAGES, DEFAULT_MAX_NODE_WAIT, DEFAULT_MAX_REMEMBERED_TOPICS,
    DEFAULT_MAX_REORDERED, DEFAULT_MAX_SHARED_PRESENCE, DEFAULT_MAX_TOPIC_NAME, DEFAULT_MAX_TOPICS,
    DEFAULT_MAX_TOPICS_PER_SUBSCRIPTION, DEFAULT_PRESENCE_LEASE, HubSettings, KeyedTopics,
    LogBounds,
};
use crate::hub::subscription::delivery::GAP_EVENT;
use crate::hub::topic::name::TopicError;
use crate::hub::topic::pattern::TopicFilter;
use crate::hub::topic_creation::TopicCreation;
use crate::stream::refusal::RefusalResponse;

/// Sets the bounds of a hub and the behaviour of its topics.
///
/// ```
/// use std::time::Duration;
/// use volga_sse::hub::{Hub, Policy};
///
/// let hub = Hub::builder()
///     .max_messages(200)
///     .max_age(Duration::from_secs(600))
///     .policy(Policy::close())
///     .keyed("ticker.*", 1_000)?
///     .build();
/// # Ok::<(), volga_sse::hub::TopicError>(())
/// ```
///
/// A hub holds at most [`max_topics`](Self::max_topics) times [`max_bytes`](Self::max_bytes) bytes
/// of messages, plus the values of keyed topics.
#[derive(Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct HubBuilder {
    pub(super) settings: HubSettings,
    /// In milliseconds. Without it, the default depends on whether nodes share the hub.
    pub(super) presence_grace: Option<u64>,
}

impl HubBuilder {
    pub(crate) fn new() -> Self {
        Self {
            presence_grace: None,
            settings: HubSettings {
                bounds: LogBounds {
                    messages: DEFAULT_MAX_MESSAGES,
                    bytes: DEFAULT_MAX_BYTES,
                    age: milliseconds(DEFAULT_MAX_AGE),
                },
                max_topics: DEFAULT_MAX_TOPICS,
                creation: TopicCreation::OnUse,
                max_remembered_topics: DEFAULT_MAX_REMEMBERED_TOPICS,
                max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
                max_topic_name: DEFAULT_MAX_TOPIC_NAME,
                max_key: DEFAULT_MAX_KEY,
                max_topics_per_subscription: DEFAULT_MAX_TOPICS_PER_SUBSCRIPTION,
                policy: Policy::Gap,
                pace: Duration::ZERO,
                presence_grace: 0,
                presence_lease: milliseconds(DEFAULT_PRESENCE_LEASE),
                max_shared_presence: DEFAULT_MAX_SHARED_PRESENCE,
                keyed: Vec::new(),
                max_reordered: DEFAULT_MAX_REORDERED,
                max_node_wait: DEFAULT_MAX_NODE_WAIT,
                max_lost_time: None,
                gap_event: GAP_EVENT,
                relay_event: None,
                closed_response: RefusalResponse::RetryLater,
            },
        }
    }

    /// Sets how many messages a topic's log holds. The default is [`DEFAULT_MAX_MESSAGES`]. The
    /// newest message always stays, so zero counts as one.
    ///
    /// If more than 2,048 messages of a log go at once, the calls that follow free their memory a
    /// little at a time, so that no publisher waits for all of it.
    /// [`drop_expired`](crate::hub::Hub::drop_expired) frees it at once.
    pub fn max_messages(mut self, messages: usize) -> Self {
        self.settings.bounds.messages = messages.max(1);
        self
    }

    /// Sets how many bytes a topic's log holds. The default is [`DEFAULT_MAX_BYTES`]. A longer
    /// message is held alone.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.settings.bounds.bytes = bytes;
        self
    }

    /// Sets how long a topic's log holds messages. The default is [`DEFAULT_MAX_AGE`].
    ///
    /// Old messages are dropped when somebody publishes or subscribes, and at the heartbeat of each
    /// open event stream: those of the same topic at once, those of other topics at most a quarter
    /// of this time later. A hub that is not used at all keeps them, until you call
    /// [`drop_expired`](crate::hub::Hub::drop_expired).
    pub fn max_age(mut self, age: Duration) -> Self {
        self.settings.bounds.age = milliseconds(age);
        self
    }

    /// Sets the maximum number of topics. The default is [`DEFAULT_MAX_TOPICS`].
    ///
    /// When a new topic needs room, the topic that has been idle longest is removed together with
    /// its messages: first a topic that nobody reads, then one that is read only by pattern. A
    /// client that resumes on it is told of a gap, and so is a subscription by pattern that has not
    /// read its last messages.
    ///
    /// A topic is never removed while somebody subscribes to its name, while one of its keys has a
    /// value, or if it was [created explicitly](crate::hub::Hub::create_topic). A new topic is
    /// refused only if all topics are like that.
    pub fn max_topics(mut self, topics: usize) -> Self {
        self.settings.max_topics = topics;
        self
    }

    /// Sets what may create topics. By default, both publishing and subscribing do.
    ///
    /// ```
    /// use volga_sse::{Message, hub::{Hub, SubscribeError, TopicCreation}};
    ///
    /// let hub = Hub::builder().topic_creation(TopicCreation::Explicit).build();
    /// hub.create_topic("room.lounge")?;
    /// hub.publish("room.lounge", Message::new().data("hello"))?;
    ///
    /// let refused = hub.subscribe("room.nonsense").open().unwrap_err();
    /// assert!(matches!(refused, SubscribeError::UnknownTopic { .. }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn topic_creation(mut self, creation: TopicCreation) -> Self {
        self.settings.creation = creation;
        self
    }

    /// Sets for how many removed topics the hub remembers the last position. The default is
    /// [`DEFAULT_MAX_REMEMBERED_TOPICS`]. A client that resumes on a topic that is no longer
    /// remembered may be told of a gap although it missed nothing. An open subscription is told
    /// only of what it missed, however long it sleeps. A gap is never left out.
    pub fn max_remembered_topics(mut self, topics: usize) -> Self {
        self.settings.max_remembered_topics = topics;
        self
    }

    /// Sets the maximum length of an encoded message, in bytes. The default is
    /// [`DEFAULT_MAX_MESSAGE_BYTES`].
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_message_bytes = bytes;
        self
    }

    /// Sets the maximum length of a topic's name, in bytes. The default is
    /// [`DEFAULT_MAX_TOPIC_NAME`].
    pub fn max_topic_name(mut self, bytes: usize) -> Self {
        self.settings.max_topic_name = bytes;
        self
    }

    /// Sets the maximum length of a key, in bytes. The default is [`DEFAULT_MAX_KEY`].
    pub fn max_key(mut self, bytes: usize) -> Self {
        self.settings.max_key = bytes;
        self
    }

    /// Sets the maximum number of names and patterns of a subscription. The default is
    /// [`DEFAULT_MAX_TOPICS_PER_SUBSCRIPTION`]. A pattern may match any number of topics.
    pub fn max_topics_per_subscription(mut self, topics: usize) -> Self {
        self.settings.max_topics_per_subscription = topics;
        self
    }

    /// Sets what happens to slow subscribers, unless the subscription sets it. The default is
    /// [`Policy::Gap`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// Sets the [pace](crate::hub::Subscribe::pace) of subscriptions that do not set it themselves.
    /// By default there is no minimum time between deliveries.
    pub fn pace(mut self, time: Duration) -> Self {
        self.settings.pace = time;
        self
    }

    /// Sets for how long an [identity](crate::hub::Subscribe::identity) stays present after its
    /// last subscription has ended. By default it leaves at once, or after
    /// [`DEFAULT_SHARED_PRESENCE_GRACE`] in a [shared](Self::build_shared) hub. There, a client
    /// that moves to another node is absent for a moment.
    ///
    /// A client whose connection breaks returns a few seconds later. If it returns within this
    /// time, nobody is told that it left and joined. Until then,
    /// [`Hub::presence`](crate::hub::Hub::presence) lists it with no subscription. A good value is
    /// a little longer than the time after which clients reconnect, such as 10 seconds.
    ///
    /// A [`PresenceWatch`](crate::hub::PresenceWatch) then needs a tokio runtime with its timer
    /// enabled.
    pub fn presence_grace(mut self, time: Duration) -> Self {
        self.presence_grace = Some(milliseconds(time));
        self
    }

    /// Sets how long the identities of this node of a [shared](Self::build_shared) hub stay present
    /// on the other nodes after it was heard of last. The default is [`DEFAULT_PRESENCE_LEASE`],
    /// and the time is between 1 second and 1 minute. So the identities of a node that dies are
    /// gone after this time, or after the [grace](Self::presence_grace) if that is longer. A node
    /// tells the others four times in this time that it is alive, while somebody with an identity
    /// subscribes on it.
    pub fn presence_lease(mut self, time: Duration) -> Self {
        self.settings.presence_lease = milliseconds(time).clamp(1_000, MAX_LEASE);
        self
    }

    /// Sets how many identities of other nodes a [shared](Self::build_shared) hub lists, counted
    /// once for each name or pattern and each node. The default is [`DEFAULT_MAX_SHARED_PRESENCE`].
    /// Beyond it, identities of other nodes are not listed here, and
    /// [`HubStats::unlisted`](crate::hub::HubStats::unlisted) counts them.
    pub fn max_shared_presence(mut self, identities: usize) -> Self {
        self.settings.max_shared_presence = identities;
        self
    }

    /// Makes the topics of this name or pattern keyed. A keyed topic has a table with the newest
    /// message of each key beside its log, for up to `max_keys` keys. If several calls match a
    /// topic, the first one counts.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a valid name or pattern.
    pub fn keyed(mut self, topics: &str, max_keys: usize) -> Result<Self, TopicError> {
        let filter = TopicFilter::parse(topics, usize::MAX)?;
        self.settings.keyed.push(KeyedTopics { filter, max_keys });
        Ok(self)
    }

    /// Sets the name of the event that tells a client of a [`Gap`](crate::hub::Gap). The default is
    /// [`GAP_EVENT`]. The name is reserved: publishing a message of this name fails, so that a
    /// client cannot mistake it for the hub's event.
    ///
    /// ```
    /// use volga_sse::{Message, hub::{Hub, PublishError}};
    ///
    /// let hub = Hub::builder().gap_event("missed")?.build();
    /// hub.publish("fences", Message::new().event("gap").data("3 m"))?;
    /// let refused = hub.publish("fences", Message::new().event("missed").data("3 m"));
    /// assert!(matches!(refused, Err(PublishError::ReservedEvent { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a valid event name, if it is that of the
    /// [`relay_event`](Self::relay_event), or if an `EventSource` has events of its own with this
    /// name: `message`, `open` and `error`.
    pub fn gap_event(mut self, name: &'static str) -> Result<Self, EncodeError> {
        check_hub_event_name(name, self.settings.relay_event)?;
        self.settings.gap_event = name;
        Ok(self)
    }

    /// Sets the name of an event that tells the clients of a [shared](Self::build_shared) hub when
    /// their node loses its engine, and when the engine is back. By default they are not told.
    ///
    /// The data of the event is `{"state":"lost"}` or `{"state":"live"}`. So a page can say that it
    /// may be out of date, and later that it is not any more. The event has no ID, and a
    /// [`Delivery::Message`](crate::hub::Delivery::Message) with it has no position. A client that
    /// subscribes while the engine is lost gets the event at once; without the event, the node of a
    /// new stream has its engine. A client that is slow may get only the last of several changes.
    ///
    /// The name is reserved as that of the [gap event](Self::gap_event) is. It must differ from
    /// that name, and should be the same on all nodes: a node counts a message with a name that it
    /// has reserved as a message that it cannot hold.
    ///
    /// ```
    /// use volga_sse::hub::Hub;
    ///
    /// let builder = Hub::builder().relay_event("node")?;
    /// # Ok::<(), volga_sse::EncodeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a valid event name, if it is that of the
    /// [gap event](Self::gap_event), or if an `EventSource` has events of its own with this name:
    /// `message`, `open` and `error`. To use the name that the gap event has by default, rename the
    /// gap event first.
    pub fn relay_event(mut self, name: &'static str) -> Result<Self, EncodeError> {
        check_hub_event_name(name, Some(self.settings.gap_event))?;
        self.settings.relay_event = Some(name);
        Ok(self)
    }

    /// Sets what a client is told that subscribes after [`Hub::close`](crate::hub::Hub::close).
    /// Clients come back by themselves when their streams end, so this decides what becomes of
    /// them.
    ///
    /// | `RefusalResponse` | What the client gets | What an `EventSource` does |
    /// |---|---|---|
    /// | `RetryLater`, the default | a stream with what it has missed, which then ends with a farewell | it returns again and again, until a new hub is there |
    /// | `NoContent` | [`SubscribeError::Closed`](crate::hub::SubscribeError::Closed), status 204 | it stops for good, without an error |
    /// | `Unavailable` | the same, status 503 | it stops for good |
    ///
    /// With `RetryLater`, [`Subscribe::open`](crate::hub::Subscribe::open) returns a subscription
    /// that ends once it has delivered what is there for it.
    pub fn closed_response(mut self, response: RefusalResponse) -> Self {
        self.settings.closed_response = response;
        self
    }

    /// Sets how many messages a [shared](Self::build_shared) hub holds back because an earlier one
    /// has not come. The default is [`DEFAULT_MAX_REORDERED`]. With one more, the missing messages
    /// count as lost.
    pub fn max_reordered(mut self, messages: usize) -> Self {
        self.settings.max_reordered = messages;
        self
    }

    /// Sets how long a client of a [shared](Self::build_shared) hub waits if this node does not
    /// hold what the engine holds: because the node has just started, or because the client returns
    /// from a node that is ahead of it. The default is [`DEFAULT_MAX_NODE_WAIT`]. After that its
    /// subscription ends, and the client can go to another node.
    ///
    /// Such a subscription needs a tokio runtime with its timer enabled.
    pub fn max_node_wait(mut self, time: Duration) -> Self {
        self.settings.max_node_wait = time;
        self
    }

    /// Sets how long event streams of a [shared](Self::build_shared) hub stay open after this node
    /// has lost its engine. By default they stay open.
    ///
    /// A stream ends with a farewell at its first heartbeat after this time, so the streams end at
    /// different times. Its client returns with its ID, and a load balancer that asks
    /// [`Hub::is_ready`](crate::hub::Hub::is_ready) sends it to another node. Set this if a node
    /// can lose the engine alone. If all nodes lose it together, moving does not help the clients.
    /// To tell clients without ending their streams, use [`relay_event`](Self::relay_event).
    pub fn max_lost_time(mut self, time: Duration) -> Self {
        self.settings.max_lost_time = Some(milliseconds(time));
        self
    }
}

/// Checks the name of an event of the hub, beside which it has another event.
fn check_hub_event_name(name: &'static str, other: Option<&str>) -> Result<(), EncodeError> {
    check_reserved_name(name)?;
    if other == Some(name) {
        return Err(EncodeError::HubEventName { name });
    }
    Ok(())
}
